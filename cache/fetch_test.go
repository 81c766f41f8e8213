package cache

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestBrokenBodyIsFetchedAgainFromWhereItBroke(t *testing.T) {
	v := version("broken", mib)
	b := newBucket(v)
	b.fault = func(g get) fault {
		if g.number == 1 {
			return fault{cut: 3*blockSize + 17}
		}
		return fault{}
	}
	r := b.fetcher(t, FetcherOptions{}, 0).Reader(v)
	defer r.Close()
	mustRead(t, r, 0, mib)
	got := b.seen()
	if len(got) != 2 || got[1].span != (span{3 * blockSize, mib}) {
		t.Errorf("requests: %+v", got)
	}
}

func TestBodyThatAlwaysBreaksFailsAfterBoundedTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := version("hopeless", mib)
		b := newBucket(v)
		b.fault = func(get) fault { return fault{cut: 17} }
		f := b.fetcher(t, FetcherOptions{}, 0)
		r := f.Reader(v)
		defer r.Close()
		if _, err := r.Read(t.Context(), 0, 4096); !errors.Is(err, errBroken) || !errors.Is(err, errCut) {
			t.Errorf("got %v, want that the body broke off", err)
		}
		if n := len(b.seen()); n != maxTries {
			t.Errorf("%d requests, want %d", n, maxTries)
		}
		b.fault = nil
		mustRead(t, r, 0, 4096)
		f.Close()
	})
}

func TestStalledRequestIsIssuedAgain(t *testing.T) {
	for name, first := range map[string]fault{"header": {silent: true}, "body": {stall: blockSize + 5}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := version("stalls", mib)
				b := newBucket(v)
				b.fault = func(g get) fault {
					if g.number == 1 {
						return first
					}
					return fault{}
				}
				f := b.fetcher(t, FetcherOptions{}, 0)
				r := f.Reader(v)
				defer r.Close()
				begin := time.Now()
				mustRead(t, r, 0, mib)
				if took := time.Since(begin); took < stallTime || took > stallTime+time.Second {
					t.Errorf("took %v, want about %v", took, stallTime)
				}
				if n := len(b.seen()); n != 2 {
					t.Errorf("%d requests, want 2", n)
				}
				f.Close()
			})
		})
	}
}

func TestFetchUnderWayFollowsAMove(t *testing.T) {
	old := version("old", mib)
	now := old
	now.Path.Key = "new"
	b := newBucket(old)
	f := b.fetcher(t, FetcherOptions{}, 0)
	b.fault = func(g get) fault {
		if g.number == 1 {
			b.remove(old)
			b.put(now)
			f.blocks.Move(old, now)
			return fault{cut: blockSize}
		}
		return fault{}
	}
	r := f.Reader(old)
	defer r.Close()
	mustRead(t, r, 0, mib)
	if got := b.seen(); len(got) != 2 || got[1].path != "/bucket/new" {
		t.Errorf("requests: %+v", got)
	}
}
