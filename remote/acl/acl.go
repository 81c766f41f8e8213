package acl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"ncloudfs/remote"
)

// Target is what has ACLs: Objects or Files.
type Target interface {
	root() string
	all(context.Context) iter.Seq2[string, error] // names; an error is the last
	get(ctx context.Context, name string) (string, error)
	set(ctx context.Context, name string, a *remote.ACL) error
}

// Options says how much of a target is meant, and where results go.
type Options struct {
	Recursive bool      // all below it, too
	Out       io.Writer // for ACLs
	Progress  io.Writer // for what has been done and what failed
}

const (
	// atOnce is how many requests of one command are in flight.
	atOnce = 16

	// shownFailures is how many failures are named, of the others only the number.
	shownFailures = 20
)

// Get prints the ACL of t, or with Recursive a line for each object: ACL, a tab,
// name.
func Get(ctx context.Context, t Target, o Options) error {
	if !o.Recursive {
		text, err := t.get(ctx, t.root())
		if err == nil {
			_, err = fmt.Fprintln(o.Out, text)
		}
		return err
	}
	return o.each(ctx, t, func(ctx context.Context, name string) (string, error) {
		text, err := t.get(ctx, name)
		return text + "\t" + name + "\n", err
	})
}

// Set gives t an ACL (see remote.ParseACL), or with Recursive everything that is
// there. It goes on after a failure.
func Set(ctx context.Context, t Target, text string, o Options) error {
	a, err := remote.ParseACL(text)
	if err != nil {
		return err
	}
	if !o.Recursive {
		return t.set(ctx, t.root(), a)
	}
	return o.each(ctx, t, func(ctx context.Context, name string) (string, error) { return "", t.set(ctx, name, a) })
}

// each does something with every name of t, atOnce side by side, and prints what
// it returns in the order of the names. The error sums up what failed.
func (o Options) each(ctx context.Context, t Target, do func(context.Context, string) (string, error)) error {
	type result struct {
		text string
		err  error
	}
	results := make(chan chan result, atOnce)
	var listing error
	var g errgroup.Group
	g.SetLimit(atOnce)
	go func() {
		defer close(results)
		for name, err := range t.all(ctx) {
			if listing = err; err != nil {
				break
			}
			done := make(chan result, 1)
			results <- done
			g.Go(func() error {
				text, err := do(ctx, name)
				done <- result{text, err}
				return nil
			})
		}
	}()
	bar := o.bar()
	done, failed := 0, 0
	for r := range results {
		switch r := <-r; {
		case errors.Is(r.err, errNone): // a directory that is only a prefix
		case r.err != nil:
			if failed++; failed <= shownFailures {
				fmt.Fprintln(o.Progress, "ncloudfs:", r.err)
			}
		default:
			done++
			_, _ = io.WriteString(o.Out, r.text) // where nobody reads it, the count tells
		}
		if bar != nil {
			_ = bar.Add(1) // only shown
		}
	}
	_ = g.Wait() // the errors were counted
	if bar != nil {
		_ = bar.Clear()
	}
	switch {
	case listing != nil:
		return fmt.Errorf("%d done, %d failed, and what else there is cannot be listed: %w", done, failed, listing)
	case failed > 0:
		return fmt.Errorf("%d of %d failed", failed, done+failed)
	case done == 0:
		return fmt.Errorf("there is nothing at %s", t.root())
	}
	return nil
}

// bar shows progress on a terminal; nil: there is none.
func (o Options) bar() *progressbar.ProgressBar {
	f, ok := o.Progress.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return progressbar.NewOptions64(-1, progressbar.OptionSetWriter(o.Progress), progressbar.OptionShowCount(),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetDescription("ACLs"))
}
