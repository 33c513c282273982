//go:build unix && !linux

package redisserver

import "syscall"

// endWithParent can do nothing here: the signal at a parent's death is Linux's
// own. A server that is left behind by a killed test has to be ended by hand.
func endWithParent() *syscall.SysProcAttr { return nil }
