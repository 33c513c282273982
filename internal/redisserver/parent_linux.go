package redisserver

import "syscall"

// endWithParent sees to it that a test binary that is killed leaves no server
// behind. A test that times out, or is killed by hand, runs no t.Cleanup.
//
//	SIGKILL, since nothing that such a server has is to be kept.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
