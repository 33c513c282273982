//go:build unix && !linux

package nginx_test

import "syscall"

func endWithParent() *syscall.SysProcAttr { return nil }
