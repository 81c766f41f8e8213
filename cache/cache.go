package cache

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
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

	KeepBuckets bool // of remote.Account: neither make nor remove buckets

	StageDir  string // where staged writes live; must be set; made with mode 0700
	StageSize int64  // bytes of staged data at most; 0: what the file system has free
	CacheDir  string // where what was read is kept for later mounts; empty: nowhere; made with mode 0700
	CacheSize int64  // bytes of it at most; default 10 GiB
	Memory    int64  // bytes of blocks and bodies in flight together; default 160 MiB, at least 32 MiB

	MetadataTTL time.Duration // how long attributes and listings are believed; default 60 s
	ExactAttrs  bool          // HEAD for every object whose metadata is wanted and not known yet
	PartSize    int64         // bytes of a part; default 8 MiB, grows with the object
	ReadOnly    bool          // nothing is staged; StageDir is not touched
	ACL         string        // canned, for all that is written here; empty: each object keeps its own

	WriteBack    bool          // close returns once data and journal are on the local disk
	KernelWrites bool          // the kernel may write new files into the stage by itself, where it can (see BeginDirect)
	RecoverOpen  bool          // upload also what its writer never closed; default: keep and list it
	Idle         bool          // upload nothing that is not asked for: to look at what a mount has left
	RenameLimit  int           // objects that the rename of a directory moves at most; default 1,000,000
	LateTime     time.Duration // how long a request without an answer may still take effect; default 30 s

	Logger *slog.Logger // default: discards

	Boot string // which boot of the machine this is: what was not safe in another may be gone; default: the kernel's
}

const (
	defaultMemory = 160 << 20
	minMemory     = 32 << 20
	defaultTTL    = 60 * time.Second

	defaultRenameLimit = 1_000_000

	// defaultLateTime is longer than a server that is behind takes for a request
	// whose connection is gone.
	defaultLateTime = 30 * time.Second
)

// Cache holds every local byte of one mount. Safe for concurrent use.
type Cache struct {
	client         *remote.Client
	bucket, prefix string
	keepBuckets    bool
	ttl            time.Duration
	exact          bool
	acl            *remote.ACL // for all that is written; nil: each object keeps its own
	partSize       int64
	writeBack      bool
	direct         bool // the kernel may write to data files by itself
	idle           bool
	renameLimit    int
	veils          veils
	emptied        emptied
	moves          sync.Map // *treeMove under way
	boot           string   // which boot of the machine this is
	log            *slog.Logger

	ctx      context.Context // ends with Close; what outlives its caller runs on it
	cancel   context.CancelFunc
	draining chan struct{} // closed when Drain begins
	drain    sync.Once

	dirs      *directories
	known     *known
	blocks    *Blocks
	tier      *Tier                             // nil: nothing is kept on disk
	edited    *lru.Cache[remote.Path, struct{}] // see NoBacking; safe for concurrent use
	created   *lru.Cache[string, creation]      // safe for concurrent use
	noACLs    atomic.Int64                      // the service has none for objects; asked again at this time (Unix seconds)
	aclsLost  atomic.Int64                      // see ACLsLost
	refused   atomic.Bool                       // the last upload had no permission
	fetch     *Fetcher
	flights   singleflight.Group
	walk      walk
	statWalks *statWalks
	heads     *semaphore.Weighted // those ahead
	follows   *successions
	gates     gates
	names     gates  // of names, which with write-back change before the bucket; claimed before keys
	stage     *Stage // nil: read-only
	removals  *removals
	sends     *sends

	turns *semaphore.Weighted // uploads behind
	queue *queue              // files that wait for one

	bodies   *bodies
	memory   int64               // bytes in all
	sending  *semaphore.Weighted // bytes of bodies in flight
	inFlight atomic.Int64        // of these
	uploads  *pace               // of parts

	commits sync.WaitGroup // running uploads
	retries sync.WaitGroup // what goes on behind: uploads, removals
	watches watches        // of objects that an older request may overwrite
	rolls   watches        // directory renames that an earlier mount has left
}

// Open makes the cache of one mount and takes the lock of its stage directory;
// while a mount that has ended still uploads, it waits for that until ctx ends.
func Open(ctx context.Context, o Options) (*Cache, error) {
	c := &Cache{
		client: o.Client,
		bucket: o.Bucket,

		keepBuckets: o.KeepBuckets,
		prefix:      o.Prefix,
		ttl:         cmp.Or(o.MetadataTTL, defaultTTL),
		exact:       o.ExactAttrs,
		partSize:    max(o.PartSize, o.Client.Findings().PartSize),
		log:         cmp.Or(o.Logger, slog.New(slog.DiscardHandler)),
		draining:    make(chan struct{}),
		follows:     newSuccessions(),
		statWalks:   newStatWalks(),
		heads:       semaphore.NewWeighted(headsInFlight),
		writeBack:   o.WriteBack,
		idle:        o.Idle,
		boot:        cmp.Or(o.Boot, bootID()),
		removals:    newRemovals(),
		sends:       newSends(cmp.Or(o.LateTime, defaultLateTime)),
		emptied:     emptied{due: map[Name]*time.Timer{}},
		renameLimit: cmp.Or(o.RenameLimit, defaultRenameLimit),
		turns:       semaphore.NewWeighted(uploadsBehind),
		queue:       newQueue(queueLimit()),
		uploads:     newPace(uploadsInFlight, uploadsMost),
	}
	c.known = newKnown(0)
	if c.exact {
		c.known.doubt = c.ttl
	}
	c.known.skew = func() time.Duration { skew, _ := c.client.ClockSkew(); return skew }
	c.client.OnUnanswered(c.sends.unanswered)
	if o.ACL != "" {
		var err error
		if c.acl, err = remote.ParseACL(o.ACL); err != nil {
			return nil, err
		}
	}
	if !o.ReadOnly {
		var err error
		if c.stage, err = c.openStage(ctx, o.StageDir, o.StageSize); err != nil {
			return nil, err
		}
	}
	var err error
	if c.tier, err = openTier(o.CacheDir, c.source().id(), cmp.Or(o.CacheSize, defaultTierSize), c.log); err != nil {
		return nil, errors.Join(err, c.stage.Close())
	}
	c.known.disk = c.openKnown(o.CacheDir)
	c.stage.borrow(c.tier)
	c.direct = c.stage != nil && !c.idle && o.KernelWrites && o.StageSize == 0 && probeDirect(c.stage) // a limit needs to see every write
	c.edited, _ = lru.New[remote.Path, struct{}](editedLimit)                                          // fails only for a size below 1
	c.created, _ = lru.New[string, creation](editedLimit)                                              // the same
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.divide(max(cmp.Or(o.Memory, defaultMemory), minMemory))
	c.client.OnBusy(c.busy)
	if c.stage != nil {
		c.recover(o.RecoverOpen)
	}
	if c.stage != nil && !c.idle {
		c.retries.Go(c.removeBehind)
	}
	return c, nil
}

func (c *Cache) source() Source {
	return Source{c.client.Endpoint(), c.client.Region(), c.bucket, c.prefix}
}

// openStage opens the stage directory and its journal.
func (c *Cache) openStage(ctx context.Context, dir string, limit int64) (*Stage, error) {
	src := c.source()
	stage, err := openStage(ctx, dir, src.id(), limit)
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
	stage.journal, journal.spare = journal, stage.ballast.give
	return stage, nil
}

// divide splits the memory budget: an eighth for names, a sixteenth for the
// network's own buffers, the rest for blocks, which lend of it to bodies.
func (c *Cache) divide(memory int64) {
	c.memory = memory
	c.dirs = newDirectories(c.bucket, c.prefix, c.ttl, memory/8)
	c.blocks = NewBlocks(BlocksOptions{Limit: memory / 16 * 13})
	c.fetch = NewFetcher(c.ctx, FetcherOptions{Client: c.client, Blocks: c.blocks, Tier: c.tier, Logger: c.log})
	c.sending = semaphore.NewWeighted(c.blocks.lendable())
	c.bodies = newBodies(c.blocks.lendable(), partSizeOf(1, c.partSize))
}

// busy has fewer requests of a kind that was refused run at once.
func (c *Cache) busy(op string) {
	switch op {
	case "GET":
		c.fetch.pace.busy()
	case "PUT", "PUT PART":
		c.uploads.busy()
	}
}

func (c *Cache) path(key string) remote.Path { return remote.Path{Bucket: c.bucket, Key: key} }

// Reader returns a reader of the version o, which is about to be read.
func (c *Cache) Reader(o remote.Object) *Reader {
	r := c.fetch.Reader(versionOf(o))
	c.followUp(o)
	return r
}
