package redisserver

import "syscall"

// endWithParent sees to it that a test binary that is killed leaves no server
// behind.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
