package ginadapter

// Adapt is adapt, for middleware that does more than the library's.
var Adapt = adapt
