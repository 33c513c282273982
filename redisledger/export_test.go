package redisledger

// ForLedger is forLedger, so that measurements use the very settings of Open.
var ForLedger = forLedger
