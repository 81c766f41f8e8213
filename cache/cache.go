package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"ncloudfs/remote"
)

// Options says what a Cache holds and how much of it. The zero value of a
// field is its default.
type Options struct {
	Client *remote.Client // the object store; must be set
	Bucket string         // must be set
	Prefix string         // keys outside it do not exist; empty, or ends in "/"

	StageDir  string // where staged writes live; must be set; made with mode 0700
	StageSize int64  // bytes of staged data at most; 0: what the file system has free
	Memory    int64  // bytes of blocks and bodies in flight together; default 160 MiB, at least 32 MiB

	MetadataTTL time.Duration // how long attributes and listings are believed; default 60 s
	ExactAttrs  bool          // HEAD for every listed object whose metadata is not known yet
	PartSize    int64         // bytes of a part; default 8 MiB, grows with the object
	ReadOnly    bool          // nothing is staged; StageDir is not touched

	WriteBack   bool          // close returns once data and journal are on the local disk
	RecoverOpen bool          // upload also what its writer never closed; default: keep and list it
	Idle        bool          // upload nothing that is not asked for: to look at what a mount has left
	LateTime    time.Duration // how long a request without an answer may still take effect; default 30 s

	Logger *slog.Logger // default: discards
}

const (
	defaultMemory = 160 << 20
	minMemory     = 32 << 20
	defaultTTL    = 60 * time.Second
)

// Cache holds every local byte of one mount. Safe for concurrent use.
type Cache struct {
	client         *remote.Client
	bucket, prefix string
	ttl            time.Duration
	exact          bool
	partSize       int64
	log            *slog.Logger

	ctx      context.Context // ends with Close; what outlives its caller runs on it
	cancel   context.CancelFunc
	draining chan struct{} // closed when Drain begins
	drain    sync.Once

	dirs    *directories
	known   *known
	blocks  *Blocks
	fetch   *Fetcher
	flights singleflight.Group
	gates   gates
	stage   *Stage // nil: read-only
	orphans orphans

	bodies       bodies
	sending      *semaphore.Weighted // bytes of bodies in flight
	sendingLimit int64

	commits sync.WaitGroup // running uploads
	retries sync.WaitGroup // uploads of files whose last handle is closed
}

// Open makes the cache of one mount and takes the lock of its stage directory.
func Open(ctx context.Context, o Options) (*Cache, error) {
	c := &Cache{
		client:   o.Client,
		bucket:   o.Bucket,
		prefix:   o.Prefix,
		ttl:      cmp.Or(o.MetadataTTL, defaultTTL),
		exact:    o.ExactAttrs,
		partSize: o.PartSize,
		log:      cmp.Or(o.Logger, slog.New(slog.DiscardHandler)),
		draining: make(chan struct{}),
		known:    newKnown(),
	}
	if !o.ReadOnly {
		var err error
		if c.stage, err = c.openStage(o.StageDir, o.StageSize); err != nil {
			return nil, err
		}
	}
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.divide(max(cmp.Or(o.Memory, defaultMemory), minMemory))
	if c.stage != nil {
		c.recover()
	}
	return c, nil
}

// openStage opens the stage directory and its journal.
func (c *Cache) openStage(dir string, limit int64) (*Stage, error) {
	src := Source{c.client.Endpoint(), c.client.Region(), c.bucket, c.prefix}
	stage, err := openStage(dir, src.id(), limit)
	if err != nil {
		return nil, err
	}
	journal, problems, err := openJournal(stage.root, src)
	if err != nil {
		return nil, errors.Join(unusable(stage.root.Name(), err), stage.Close())
	}
	for _, problem := range problems {
		c.log.Error("damage in the journal of staged files", "err", problem)
	}
	stage.journal = journal
	return stage, nil
}

// divide splits the memory budget: half for blocks, the rest for bodies on
// their way, the network's own buffers and names.
func (c *Cache) divide(memory int64) {
	c.dirs = newDirectories(c.bucket, c.prefix, c.ttl, memory/8)
	c.blocks = NewBlocks(BlocksOptions{Limit: memory / 2})
	c.fetch = NewFetcher(c.ctx, FetcherOptions{Client: c.client, Blocks: c.blocks, Logger: c.log})
	c.sendingLimit = memory * 3 / 8
	c.sending = semaphore.NewWeighted(c.sendingLimit)
}

func (c *Cache) path(key string) remote.Path { return remote.Path{Bucket: c.bucket, Key: key} }

// Reader returns a reader of the version o.
func (c *Cache) Reader(o remote.Object) *Reader { return c.fetch.Reader(versionOf(o)) }

// Drain brings everything into the bucket that is not there yet, and carries
// out the deletions that waited for a last close. Its error names what is left;
// the local copies of that stay.
func (c *Cache) Drain(ctx context.Context) error {
	c.drain.Do(func() { close(c.draining) })
	staged := c.stage.Under("")
	errs := make([]error, len(staged)+1)
	errs[len(staged)] = c.removeOrphans(ctx, "") // nothing is read any more
	var g errgroup.Group
	g.SetLimit(uploadsInFlight)
	for i, s := range staged {
		g.Go(func() error {
			errs[i] = s.drain(ctx)
			return nil
		})
	}
	_ = g.Wait() // the errors are in errs
	return errors.Join(errs...)
}

// drain commits the file, or says what is left of it.
func (s *Staged) drain(ctx context.Context) error {
	s.mu.Lock()
	joins := s.running != nil
	s.mu.Unlock()
	err := s.Commit(ctx)
	if err != nil && joins {
		err = s.Commit(ctx) // what it joined may have begun in worse times
	}
	name, linked := s.Name()
	if err == nil || !linked || permanent(err) && s.c.setAside(s, err) {
		return nil
	}
	return fmt.Errorf("%q is not in the bucket, its local bytes are kept in %s: %w", name, s.c.stage.root.Name()+"/"+s.path, err)
}

// Close ends everything in progress and releases the stage directory. What
// Drain did not bring into the bucket stays in it.
func (c *Cache) Close() error {
	c.drain.Do(func() { close(c.draining) })
	c.cancel()
	c.retries.Wait()
	c.commits.Wait()
	c.fetch.Close()
	c.stage.removeUnneeded()
	return c.stage.Close()
}
