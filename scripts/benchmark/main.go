package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"ncloudfs/remote/emulator"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(args) > 0 {
		switch args[0] {
		case roleServer:
			return serve(os.Stdin, os.Stdout)
		case roleStep:
			return step(ctx, os.Stdin, os.Stdout)
		case roleMemory:
			return useMemory(os.Stdin)
		}
	}
	b, err := parse(args)
	if err != nil || b == nil {
		return err
	}
	return b.run(ctx)
}

// errCheck says that the results, which are written, are not good.
var errCheck = errors.New("a check failed")

// parse returns nil when only the help was asked for.
func parse(args []string) (*bench, error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	var only, contenders string
	b := &bench{pattern: emulator.NewPattern()}
	f.StringVar(&b.out, "out", ".bench", "`directory` for results.json, table.md and charts")
	f.StringVar(&b.program, "program", ".bin/ncloudfs", "`file` of ncloudfs")
	f.StringVar(&b.work, "work", "/var/tmp", "`directory` on the disk that is measured, for caches and mounts")
	f.IntVar(&b.rounds, "rounds", 5, "how often each cell is measured")
	f.StringVar(&only, "only", "", "run the workloads whose name matches this `regexp`")
	f.StringVar(&contenders, "contenders", strings.Join(contenderNames(), ","), "what to compare, a `list`")
	f.DurationVar(&b.service.Latency, "latency", 20*time.Millisecond, "before the first byte of an answer")
	f.Int64Var(&b.service.Bandwidth, "bandwidth", 80, "MiB/s of one connection")
	f.BoolVar(&b.quick, "quick", false, "one round of small sizes: its seconds say nothing, its requests do")
	f.BoolVar(&b.check, "check", false, "fail when a workload of ncloudfs fails or sends more requests than its goal; never for time")
	f.StringVar(&b.readme, "readme", "", "also put table and charts into this README and beside it into scripts/charts")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil, nil //nolint:nilnil // the help was asked for
	} else if err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("what is %q?", f.Args())
	}
	b.service.Bandwidth <<= 20
	b.sizes = fullSizes()
	if b.quick {
		b.rounds, b.sizes = 1, quickSizes()
	}
	pattern, err := regexp.Compile(only)
	if err != nil {
		return nil, fmt.Errorf("--only: %w", err)
	}
	for _, w := range workloads() {
		if pattern.MatchString(w.name) {
			b.workloads = append(b.workloads, w)
		}
	}
	for name := range strings.SplitSeq(contenders, ",") {
		if !slices.Contains(contenderNames(), name) {
			return nil, fmt.Errorf("--contenders: %q is none of %v", name, contenderNames())
		}
		b.contenders = append(b.contenders, name)
	}
	b.program, err = filepath.Abs(b.program)
	return b, err
}
