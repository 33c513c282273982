package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/ecgrid-contrib/ecgridsession/bench/compare"
)

// facts are what the figures depend on, beside the code.
func facts(date string, o compare.Options) [][2]string {
	return [][2]string{
		{"Written by", fmt.Sprintf("`go run ./bench`: %d rounds, slices of %s; end to end %d rounds, slices of %s",
			o.Rounds.Rounds, o.Rounds.Slice, o.Load.Rounds, o.Load.Slice)},
		{"On", date},
		{"Go", fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)},
		{"Machine", fmt.Sprintf("%s, %d cores in use", processor(), o.Cores)},
		{"Beside", strings.Join(peers(), ", ")},
	}
}

// processor is the model of the processor, as far as Linux tells.
func processor() string {
	info, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "a " + runtime.GOARCH + " processor of an unknown model"
	}
	defer info.Close()
	for lines := bufio.NewScanner(info); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "a " + runtime.GOARCH + " processor of an unknown model"
}

// peers are the versions of what is measured beside ours.
func peers() []string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return []string{"unknown versions"}
	}
	var versions []string
	for _, module := range info.Deps {
		if slices.Contains([]string{
			"github.com/gorilla/sessions", "github.com/gorilla/securecookie", "github.com/alexedwards/scs/v2", "golang.org/x/oauth2",
		}, module.Path) {
			versions = append(versions, module.Path+" "+module.Version)
		}
	}
	return versions
}
