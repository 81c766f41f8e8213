package fs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ncloudfs/cache"
)

// Type is the file system type that mountinfo shows.
const Type = "fuse.ncloudfs"

const (
	// maxWrite is the largest write, and with readAhead the largest read, that
	// the kernel sends: 1 MiB halves the daemon's CPU time against 128 KiB.
	maxWrite = 1 << 20

	// readAhead is what the kernel is told to read ahead, in KiB. It offers
	// 128 by itself, and sends no larger reads then.
	readAheadKiB = 1024

	// maxBackground is how many readahead requests the kernel has in flight;
	// with its 12 a slow network starves.
	maxBackground = 64

	// unmountPatience is how long the connection may outlive the unmount: go-fuse
	// waits for its end, which a copy of the mount in another mount namespace
	// puts off.
	unmountPatience = 5 * time.Second

	// negativeTimeout is how long the kernel believes that a name does not
	// exist.
	negativeTimeout = time.Second
)

// Options says how a mount looks to its users. The zero value of a field is
// its default.
type Options struct {
	Source     string // what mountinfo shows, e.g. "s3://bucket/prefix"
	ReadOnly   bool
	AllowOther bool         // other users may enter; implies default_permissions
	UID, GID   uint32       // owner of what carries none
	Umask      uint32       // taken from the modes 0777 and 0666 of what carries none
	Nodes      int64        // bytes of nodes that the kernel knows, about; default 20 MiB
	Logger     *slog.Logger // default: discards
	Debug      bool         // log every FUSE operation
}

// Mount is one mounted file system.
type Mount struct {
	cache      *cache.Cache
	mountpoint string
	readOnly   bool
	uid, gid   uint32
	umask      uint32
	log        *slog.Logger
	logged     repeats
	started    time.Time

	ctx         context.Context // ends once unmounted
	cancel      context.CancelFunc
	server      *fuse.Server
	passthrough *passthrough
	notifier    *notifier
	copiers     copiers
	nodes       *nodes
	done        chan struct{}
	behind      sync.WaitGroup // work that outlives its operation
}

// New mounts c on mountpoint and returns once the kernel answers.
func New(ctx context.Context, mountpoint string, c *cache.Cache, o Options) (*Mount, error) {
	mountpoint, err := filepath.Abs(mountpoint)
	if err != nil {
		return nil, fmt.Errorf("mount on %s: %w", mountpoint, err)
	}
	m := &Mount{
		cache: c, mountpoint: mountpoint, readOnly: o.ReadOnly,
		uid: o.UID, gid: o.GID, umask: o.Umask,
		log:      cmp.Or(o.Logger, slog.New(slog.DiscardHandler)),
		started:  time.Now(),
		notifier: newNotifier(),
		done:     make(chan struct{}),
	}
	m.nodes = newNodes(cmp.Or(o.Nodes, defaultNodes), func() { m.notifier.add(m.trim) })
	m.ctx, m.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := m.serve(o); err != nil {
		m.cancel()
		return nil, err
	}
	m.behind.Go(func() { m.notifier.run(m.ctx.Done()) })
	if err := setReadAhead(mountpoint); err != nil {
		m.log.Info("reads stay at 128 KiB: the kernel's readahead cannot be raised", "err", err)
	}
	return m, nil
}

// serve mounts and starts answering. go-fuse's WaitMount is not called: NewServer
// has spoken with the kernel, and WaitMount polls a file of this mount, so that
// Go's poller can be used on others of them, which happens nowhere. A kill in
// that moment would leave a process that waits for itself and cannot end.
func (m *Mount) serve(o Options) error {
	negative := negativeTimeout
	root := &dirNode{node{m: m}}
	m.passthrough = newPassthrough(fs.NewNodeFS(root, &fs.Options{
		NegativeTimeout: &negative,
		NullPermissions: true,
		RootStableAttr:  &fs.StableAttr{Ino: fuse.FUSE_ROOT_ID},
	}))
	server, err := fuse.NewServer(m.passthrough, m.mountpoint, m.fuseOptions(o))
	if err != nil {
		return fmt.Errorf("mount on %s: %w", m.mountpoint, err)
	}
	m.server = server
	if err := m.passthrough.probe(server, m.cache); err != nil {
		m.log.Info("the kernel does not read and write local files by itself, which would be faster", "err", err)
	}
	go func() {
		server.Serve()
		close(m.done)
	}()
	return nil
}

func (m *Mount) fuseOptions(o Options) *fuse.MountOptions {
	options := &fuse.MountOptions{
		FsName:            o.Source,
		Name:              "ncloudfs",
		AllowOther:        o.AllowOther,
		MaxWrite:          maxWrite,
		MaxReadAhead:      maxWrite,
		MaxBackground:     maxBackground,
		DisableSplice:     true, // of no use for bytes in memory, and costs half the CPU time
		DirectMountStrict: os.Geteuid() == 0,
		Debug:             o.Debug,
		Logger:            slog.NewLogLogger(m.log.Handler(), slog.LevelDebug),
		PanicHandler:      m.panicked,
		ExtraCapabilities: fuse.CAP_ATOMIC_O_TRUNC | fuse.CAP_HANDLE_KILLPRIV_V2 | fuse.CAP_READDIRPLUS_AUTO,
	}
	switch {
	case o.ReadOnly && options.DirectMountStrict:
		options.DirectMountFlags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_RDONLY
	case o.ReadOnly:
		options.Options = append(options.Options, "ro")
	}
	if o.AllowOther {
		options.Options = append(options.Options, "default_permissions")
	}
	return options
}

// panicked keeps the mount alive when one operation failed badly.
func (m *Mount) panicked(reason any) fuse.Status {
	m.log.Error("internal error in one operation; it fails with EIO", "panic", fmt.Sprint(reason), "stack", string(debug.Stack()))
	return fuse.EIO
}

// Done is closed once the file system is unmounted, by whatever means.
func (m *Mount) Done() <-chan struct{} { return m.done }

// Unmount brings everything into the bucket, then unmounts. When something
// cannot be uploaded before ctx ends, it is unmounted all the same, and the
// error says what is left. A busy mount is detached: it vanishes from the tree
// now, and for good when its last user closes it.
func (m *Mount) Unmount(ctx context.Context) error {
	_ = m.cache.Drain(ctx) // while its users still see the mount; Close has the last word
	return errors.Join(m.unmount(), m.Close(ctx))
}

// unmount takes the mount out of the tree.
func (m *Mount) unmount() error {
	ended := make(chan error, 1)
	go func() { ended <- m.server.Unmount() }()
	var err error
	select {
	case err = <-ended:
	case <-time.After(unmountPatience):
		m.log.Warn("another mount namespace, perhaps a container, has a copy of the mount; it ends with this process")
		return nil
	}
	if err == nil || detach(m.mountpoint) == nil {
		return nil
	}
	return fmt.Errorf("unmount %s: %w", m.mountpoint, err)
}

// Close brings what is left into the bucket after an unmount.
func (m *Mount) Close(ctx context.Context) error {
	err := m.cache.Drain(ctx)
	m.end()
	return err
}

func (m *Mount) end() {
	m.nodes.timer.Stop()
	m.cancel()
	m.behind.Wait()
}

// detach unmounts lazily.
func detach(mountpoint string) error {
	if os.Geteuid() == 0 {
		return unix.Unmount(mountpoint, unix.MNT_DETACH)
	}
	return fusermount("-u", "-z", mountpoint)
}
