package main

// remarks say how to read the document.
const remarks = `
Each figure is a median, with the first and third quartile behind it. A round gives everything in a table one slice of time, in an order
drawn anew, and ratios are taken inside the round: the speed of a machine changes within seconds, and what slows all of a round
down falls out of its ratios. Compare the ratios, not the times, with those of another machine or day.

"Ours" is the complete Wrap: MemoryLedger, limits, events and all, and the handler reads the credential. So that nothing comes to its end
meanwhile, idle limit and lifetime are a day. The sessions of the others hold the token and nothing else, which is the least that an app
can store. Medians leave out most of the garbage collector's work, to the advantage of those that allocate more.

These are costs of the session alone. A handler that calls ECGrid waits milliseconds for its answer, a template or a query takes tens to
hundreds of microseconds, and next to them all of these ratios shrink towards 1. What remains is what each request pays, also for each
image and script, and the bytes of the cookie that it sends up.
`
