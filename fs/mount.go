package fs

import (
	"context"
	"log/slog"

	"ncloudfs/cache"
)

// Options says how a mount looks to its users.
type Options struct {
	Source     string // what mountinfo shows, e.g. "s3://bucket/prefix"
	ReadOnly   bool
	AllowOther bool   // other users may enter; implies default_permissions
	UID, GID   uint32 // owner of what carries none
	Umask      uint32 // taken from the default modes 0777 and 0666
	Logger     *slog.Logger
	Debug      bool // log every FUSE operation
}

// Mount is one mounted file system.
type Mount struct{}

// New mounts c on mountpoint and returns once the kernel answers.
func New(ctx context.Context, mountpoint string, c *cache.Cache, o Options) (*Mount, error) {
	panic("not built")
}

// Unmount finishes uploads and unmounts; when ctx ends first, it unmounts
// lazily and returns the error of ctx.
func (m *Mount) Unmount(ctx context.Context) error { panic("not built") }

// Done is closed once the file system is unmounted, by whatever means.
func (m *Mount) Done() <-chan struct{} { panic("not built") }

// Unmount unmounts mountpoint, which another process serves, and waits until
// that process let go of it.
func Unmount(ctx context.Context, mountpoint string) error { panic("not built") }

// CheckMountpoint says in one line why mountpoint cannot be mounted on.
func CheckMountpoint(mountpoint string) error { panic("not built") }
