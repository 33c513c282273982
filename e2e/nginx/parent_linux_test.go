package nginx_test

import "syscall"

// endWithParent sees to it that a test binary that is killed leaves no nginx
// behind: a killed master would leave its worker, so it is told to end.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
