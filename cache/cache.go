package cache

import (
	"context"
	"log/slog"
	"time"

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
	Memory    int64  // bytes of blocks and parts in flight together; default 192 MiB

	MetadataTTL time.Duration // how long attributes and listings are believed; default 60 s
	ExactAttrs  bool          // HEAD for every listed object whose metadata is not known yet
	PartSize    int64         // bytes of a part; default 8 MiB, grows with the object
	RetryTime   time.Duration // how long a close waits for its upload; default 5 min
	ReadOnly    bool          // nothing is staged; StageDir is not touched

	Logger *slog.Logger // default: discards
}

// Cache holds every local byte of one mount.
type Cache struct{}

// Open makes the cache of one mount and takes the lock of its stage directory.
func Open(ctx context.Context, o Options) (*Cache, error) { panic("not built") }

// Close releases the stage directory; nothing may be dirty any more.
func (c *Cache) Close() error { panic("not built") }
