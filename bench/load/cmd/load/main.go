// Command load measures what the middleware costs an app end to end, and prints
// what it finds as Markdown. It takes three to four minutes.
//
//	go run ./load/cmd/load
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"

	"github.com/ecgrid-contrib/ecgridsession/bench/load"
)

func main() {
	load.Child()
	log.SetFlags(0)
	var o load.Options
	flag.IntVar(&o.Rounds, "rounds", 0, "rounds in which each app is loaded once (default 50)")
	flag.DurationVar(&o.Slice, "slice", 0, "how long an app is loaded at a time (default 200ms)")
	flag.IntVar(&o.Conns, "conns", 0, "connections to an app (default 8)")
	flag.IntVar(&o.ServerProcs, "server", 0, "GOMAXPROCS of the apps (default 1)")
	flag.IntVar(&o.GeneratorProcs, "generator", 0, "GOMAXPROCS of the load generator (default 1)")
	flag.BoolVar(&o.ShareCores, "share", false, "let the kernel choose the cores")
	flag.IntVar(&o.SignOuts, "signouts", 0, "sign-outs for each time that ECGrid takes (default 200)")
	flag.IntVar(&o.Hangs, "hangs", 0, "sign-outs that ECGrid does not answer (default 20)")
	flag.Parse()
	o.Progress = func(round, rounds int) { fmt.Fprintf(os.Stderr, "\rround %d of %d ", round, rounds) }

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	found, err := load.Measure(ctx, o)
	fmt.Fprintln(os.Stderr)
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range found.Tables() {
		fmt.Printf("## %s\n\n%s\n\n", t.Title, t.Note)
		printRows(append([][]string{t.Head, underline(t.Head)}, t.Rows...))
	}
	fmt.Print("## Targets\n\n")
	rows := [][]string{{"target", "asked", "measured", "reached"}, underline(make([]string, 4))}
	for _, t := range found.Targets() {
		rows = append(rows, []string{t.Name, t.Asked, t.Measured, map[bool]string{true: "yes", false: "no"}[t.Reached]})
	}
	printRows(rows)
}

func underline(head []string) []string {
	line := make([]string, len(head))
	for i := range line {
		line[i] = "---"
	}
	return line
}

func printRows(rows [][]string) {
	for _, row := range rows {
		fmt.Println("| " + strings.Join(row, " | ") + " |")
	}
	fmt.Println()
}
