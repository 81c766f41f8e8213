package cache

import (
	"context"
	"errors"
	"io/fs"
	"testing"

	"golang.org/x/sync/errgroup"
)

func TestCloseOfTheLastReaderGivesUpWhatWasFetchedAhead(t *testing.T) {
	v := version("left", 64*mib)
	b := newBucket(v)
	b.fault = func(g get) fault {
		if g.span.low >= firstWindow {
			return fault{stall: blockSize}
		}
		return fault{}
	}
	f := b.fetcher(t, FetcherOptions{}, 0)
	first, second := f.Reader(v), f.Reader(v)
	for off := int64(0); off < firstWindow; off += 128 * kib {
		mustRead(t, first, off, 128*kib)
	}
	first.Close()
	if n := fetching(f); n < 2 {
		t.Fatalf("%d fetches while a Reader is left, want some", n)
	}
	second.Close()
	eventually(t, "the fetches end", func() bool { return fetching(f) == 0 })
	checkIdle(t, f.blocks)
	b.fault = nil
	third := f.Reader(v)
	defer third.Close()
	mustRead(t, third, 0, mib)
	mustRead(t, third, firstWindow, mib)
}

func fetching(f *Fetcher) int {
	f.blocks.mu.Lock()
	defer f.blocks.mu.Unlock()
	return f.blocks.fetching
}

func TestSingleFetchServesWhoOpensTheObjectNext(t *testing.T) {
	v := version("twice", firstWindow)
	b := newBucket(v)
	going := make(chan struct{})
	b.pace = func(_ context.Context, n int64) {
		if len(b.seen()) == 1 {
			<-going
		}
	}
	f := b.fetcher(t, FetcherOptions{}, 0)
	first := f.Reader(v)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := first.Read(ctx, 0, 4096); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want Canceled", err)
	}
	first.Close()
	if _, err := first.Read(t.Context(), 0, 4096); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("read after Close: got %v, want ErrClosed", err)
	}
	second := f.Reader(v)
	defer second.Close()
	close(going)
	mustRead(t, second, 0, mib)
	mustRead(t, second, mib, mib)
	if n := len(b.seen()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestCloseOfTheFetcherEndsWaits(t *testing.T) {
	v := version("stuck", 64*mib)
	b := newBucket(v)
	came := make(chan struct{})
	b.fault = func(g get) fault {
		if g.number == 1 {
			close(came)
		}
		return fault{silent: true}
	}
	f := b.fetcher(t, FetcherOptions{}, 0)
	r := f.Reader(v)
	defer r.Close()
	var group errgroup.Group
	group.Go(func() error { _, err := r.Read(t.Context(), 0, 4096); return err })
	<-came
	f.Close()
	if err := group.Wait(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	if _, err := r.Read(t.Context(), 0, 4096); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("later read: got %v, want ErrClosed", err)
	}
}
