package cache

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"ncloudfs/remote"
)

const (
	defaultWindow   = 64 << 20
	defaultParallel = 32

	// idleReader is how long after its last read a Reader keeps its share of
	// the memory for fetching ahead.
	idleReader = 10 * time.Second
)

// FetcherOptions configures a Fetcher.
type FetcherOptions struct {
	Client   *remote.Client // the object store; must be set
	Blocks   *Blocks        // where fetched bytes go; must be set
	Tier     *Tier          // where they are looked for first, and stored; nil: nowhere
	Window   int64          // bytes one Reader may be ahead; 0: 64 MiB; never more than half of the limit of Blocks
	Parallel int            // requests under way at which no more are sent ahead of reads, at first; 0: 32
	Logger   *slog.Logger   // default: discards
}

// Fetcher fills the blocks that the Readers of a mount need, from the disk
// tier and by ranged GETs. Safe for
// concurrent use.
type Fetcher struct {
	client   *remote.Client
	blocks   *Blocks
	tier     *Tier
	window   int64
	parallel int
	pace     *pace
	log      *slog.Logger
	ctx      context.Context // the mount's: fetches outlive the reads that start them
	cancel   context.CancelCauseFunc
	running  sync.WaitGroup

	mu      sync.Mutex // guards what follows; Reader.mu < Fetcher.mu < Blocks.mu
	closed  bool
	number  uint64                // of the last Reader
	active  map[*Reader]time.Time // Readers with a wide window, and their last read
	counted time.Time             // when active was last cleared of idle ones
}

// NewFetcher returns a Fetcher whose requests end with ctx or Close.
func NewFetcher(ctx context.Context, o FetcherOptions) *Fetcher {
	f := &Fetcher{
		client:   o.Client,
		blocks:   o.Blocks,
		tier:     o.Tier,
		window:   o.Window,
		parallel: cmp.Or(o.Parallel, defaultParallel),
		log:      o.Logger,
		active:   map[*Reader]time.Time{},
	}
	if f.window == 0 {
		f.window = defaultWindow
	}
	f.pace = newPace(f.parallel, max(f.parallel, downloadsMost))
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	f.ctx, f.cancel = context.WithCancelCause(ctx)
	f.tier.startFill(f.blocks)
	return f
}

// Close ends every fetch and returns when the last has ended. Reads that wait
// for one, and later reads that need one, fail with fs.ErrClosed; what is
// cached can still be read.
func (f *Fetcher) Close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.cancel(fmt.Errorf("fetcher: %w", fs.ErrClosed))
	f.running.Wait()
	f.tier.Close()
}

// Reader opens v for one handle. It sends nothing.
func (f *Fetcher) Reader(v Version) *Reader {
	f.mu.Lock()
	f.number++
	number := f.number
	f.mu.Unlock()
	return &Reader{
		fetcher: f,
		content: f.blocks.open(v),
		version: v,
		number:  number,
		window:  window{size: v.Size, parallel: int64(f.parallel)},
	}
}

// PassingReader is Reader for a version that is about to be replaced: what it
// fetches is not worth a place on the disk.
func (f *Fetcher) PassingReader(v Version) *Reader {
	r := f.Reader(v)
	r.passing = true
	return r
}

// Ahead begins to fetch v, for Readers that may come, as far as there is room and
// requests to spare.
func (f *Fetcher) Ahead(v Version) {
	r := f.Reader(v)
	defer r.Close()
	d := &demand{content: r.content, first: 0, last: -1, ahead: []span{{0, v.Size}}, parallel: f.pace.Allowed()}
	if f.blocks.acquire(f.ctx, d) != nil {
		return
	}
	for _, run := range d.runs {
		f.start(r.content, run, false)
	}
}

// drop ends a Reader.
func (f *Fetcher) drop(r *Reader) {
	f.mu.Lock()
	delete(f.active, r)
	f.mu.Unlock()
	why := fmt.Errorf("read %s: %w", r.version.Path, fs.ErrClosed)
	for _, t := range f.blocks.close(r.content, why) {
		t.cancel(why)
	}
}

// share returns how far r may be ahead, in bytes: half of the cache is shared
// by the Readers that read in sequence lately.
func (f *Fetcher) share(r *Reader, isSequential bool) int64 {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if isSequential {
		f.active[r] = now
	}
	if len(f.active) > 1 && now.Sub(f.counted) > idleReader/10 {
		f.counted = now
		for o, last := range f.active {
			if now.Sub(last) > idleReader {
				delete(f.active, o)
			}
		}
	}
	return min(f.window, f.blocks.limit/2/int64(max(len(f.active), 1)))
}

// start fetches the blocks of one run, which must be adjacent and filling;
// passing: not for the disk.
func (f *Fetcher) start(c *content, run []*block, passing bool) {
	ctx, cancel := context.WithCancelCause(f.ctx)
	t := &fetch{fetcher: f, content: c, blocks: run, passing: passing, cancel: cancel}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		cancel(fmt.Errorf("fetcher: %w", fs.ErrClosed))
		f.blocks.failed(run, context.Cause(ctx))
		f.blocks.ended(t)
		return
	}
	f.blocks.began(t) // here, so that a Close right after the read finds it
	f.running.Go(func() { t.run(ctx) })
}
