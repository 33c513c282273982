// Package replicas tests apps of several processes for real: two replicas of an
// app behind a round-robin proxy, a fake ECGrid in a third process, and a
// redis-server between them. What the design promises of stopped, killed and
// hanging processes is asked of processes here, and of a model of them in the
// root module.
//
// Everything listens on loopback, and every process is ended by its own id.
package replicas
