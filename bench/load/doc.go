// Package load measures what the middleware costs an app end to end: over
// loopback, with the whole of net/http around it.
//
// [Measure] starts two processes, which are the calling program once more. One
// serves the same app three times, each on a port of its own: behind the
// middleware, behind gorilla/sessions as its README shows it, and behind
// neither. The other sends them requests on connections that it keeps open, as
// many as are answered. The fake ECGrid is in the calling process.
//
// A machine's speed changes within seconds, so no two figures of different
// moments are compared. The apps are loaded in short slices, one after the other
// and in another order each round, and each ratio is taken inside its round.
// What is given is the median of the rounds and, in brackets, their quartiles.
//
// The same program measures how long a sign-out takes beyond ECGrid's own
// answer: the user's wait less the time that the fake took over that very call.
package load
