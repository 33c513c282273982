//go:build unix && !linux

package redisserver

import "syscall"

func endWithParent() *syscall.SysProcAttr { return nil }
