// Command bench puts ecgridsession beside its peers and writes down how it went:
// docs/benchmarks.md and docs/benchmarks.svg. README.md says what is measured.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/bench/compare"
	"github.com/ecgrid-contrib/ecgridsession/bench/load"
	"github.com/ecgrid-contrib/ecgridsession/bench/report"
	"github.com/ecgrid-contrib/ecgridsession/bench/rounds"
	"github.com/ecgrid-contrib/ecgridsession/bench/why"
)

// picture is the name of the picture's file, beside the document.
const picture = "benchmarks.svg"

func main() {
	load.Child()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures, and writes the document into its folder and to out. What it is
// at goes to log.
func run(ctx context.Context, args []string, out, log io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(log)
	count := flags.Int("rounds", 201, "how often each is measured")
	slice := flags.Duration("slice", 2*time.Millisecond, "for how long at a time")
	loads := flags.Int("loads", 50, "how often each app is loaded over loopback")
	loadSlice := flags.Duration("loadslice", 200*time.Millisecond, "for how long at a time")
	signOuts := flags.Int("signouts", 200, "how many sign-outs are timed, and a tenth as many without an answer")
	entries := flags.Int("entries", 1_000_000, "entries of the ledger")
	date := flags.String("date", time.Now().Format(time.DateOnly), "the date in the document")
	only := flags.String("only", "", "the one comparison to make, such as \"end to end\"; no file is written then")
	docs := flags.String("docs", "", "the folder to write into (default: docs of this repository)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("what is %q?", flags.Arg(0))
	}
	if *docs == "" {
		found, err := docsFolder()
		if err != nil {
			return err
		}
		*docs = found
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	options := compare.Options{
		Rounds:  rounds.Options{Rounds: *count, Slice: *slice},
		Entries: *entries, Dir: dir, Cores: runtime.GOMAXPROCS(0),
		Load: load.Options{Rounds: *loads, Slice: *loadSlice, SignOuts: *signOuts, Hangs: max(1, *signOuts/10)},
	}
	document := report.Document{Facts: facts(*date, options), Remarks: remarks, Picture: picture}
	for _, comparison := range compare.All() {
		if *only != "" && comparison.Name != *only {
			continue
		}
		began := time.Now()
		part, err := comparison.Run(ctx, options)
		if err != nil {
			return fmt.Errorf("%s: %w", comparison.Name, err)
		}
		if err := why.Explain(why.Files, part.Targets); err != nil {
			return err
		}
		fmt.Fprintf(log, "%s: %.0f s\n", comparison.Name, time.Since(began).Seconds())
		document.Parts = append(document.Parts, part)
	}
	switch {
	case len(document.Parts) == 0:
		return fmt.Errorf("there is no comparison %q", *only)
	case *only != "":
		return document.WriteMarkdown(out)
	default:
		return write(document, *docs, out)
	}
}

// write writes the document and its picture into a folder, and the document to
// out as well.
func write(document report.Document, docs string, out io.Writer) error {
	var bars []report.Bar
	for _, part := range document.Parts {
		bars = append(bars, part.Bars...)
	}
	if err := inFile(filepath.Join(docs, picture), func(w io.Writer) error {
		return report.WritePicture(w, "Opening a session: from the request to the token",
			"700-byte JWT, 7 cookies in the request; medians of paired rounds. scs and FilesystemStore send an id; the limit has no middleware.", bars)
	}); err != nil {
		return err
	}
	return inFile(filepath.Join(docs, "benchmarks.md"), func(w io.Writer) error {
		return document.WriteMarkdown(io.MultiWriter(w, out))
	})
}

func inFile(path string, fill func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(fill(file), file.Close())
}

// docsFolder is docs beside the go.work that the command was started under.
func docsFolder() (string, error) {
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := here; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return filepath.Join(dir, "docs"), nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.work here: say -docs")
		}
	}
}
