package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// cell is one workload of one contender, once.
type cell struct {
	*bench
	w         *workload
	contender string
	server    *server
	mount     *mount // nil for those without
	private   string // directory of what the mount keeps
	order     order
}

// cell measures; what goes wrong is in the sample's Error.
func (b *bench) cell(ctx context.Context, w *workload, contender string) sample {
	s, err := b.measure(ctx, w, contender)
	if err != nil {
		s.Error = err.Error()
	}
	return s
}

func (b *bench) measure(ctx context.Context, w *workload, contender string) (s sample, err error) {
	c := &cell{bench: b, w: w, contender: contender}
	if c.private, err = os.MkdirTemp(b.work, "ncloudfs-bench-*"); err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(c.private)) }()
	c.order = order{Workload: w.name, Place: place{Dir: filepath.Join(c.private, "mnt"), Scratch: filepath.Join(c.private, "scratch"), Sizes: b.sizes}}
	for _, dir := range []string{c.order.Place.Dir, c.order.Place.Scratch} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return s, err
		}
	}
	service := b.service
	if w.stores != nil {
		service.Ready = w.stores(b.sizes)
	}
	if c.server, err = startServer(ctx, service); err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, c.server.stop()) }()
	if err := c.fill(ctx); err != nil {
		return s, err
	}
	if err := c.start(ctx); err != nil {
		return s, err
	}
	defer func() { _ = c.stopMount() }() // what matters was said before
	return c.steps(ctx)
}

func (c *cell) hasMount() bool { return c.contender != client && c.contender != disk }

// fill makes the objects.
func (c *cell) fill(ctx context.Context) error {
	if c.w.objects == nil {
		return nil
	}
	objects := c.w.objects(c.sizes)
	if c.contender != disk {
		return c.server.generate(ctx, objects)
	}
	for _, o := range objects {
		if err := c.makeFile(o); err != nil {
			return err
		}
	}
	return nil
}

func (c *cell) makeFile(o object) error {
	path := filepath.Join(c.order.Place.Dir, o.key)
	f, err := os.Create(path)
	if errors.Is(err, os.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
			f, err = os.Create(path)
		}
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(f, c.pattern.Content(o.size, o.seed()))
	return errors.Join(err, f.Close())
}

func (c *cell) start(ctx context.Context) error {
	if !c.hasMount() {
		return nil
	}
	dir := c.order.Place.Dir
	o, err := c.mountCommand(c.contender, c.w, c.server.Endpoint, dir, c.private)
	if err == nil {
		c.mount, err = startMount(ctx, o, dir)
	}
	return err
}

func (c *cell) stopMount() error {
	if c.mount == nil {
		return nil
	}
	m := c.mount
	c.mount = nil
	return m.stop()
}

// steps does what comes before, and measures the workload itself.
func (c *cell) steps(ctx context.Context) (sample, error) {
	var s sample
	if c.w.warm != nil {
		warm := c.order
		warm.IsWarm = true
		if _, err := do(ctx, warm); err != nil {
			return s, fmt.Errorf("before: %w", err)
		}
	}
	if c.w.remount && c.hasMount() {
		if err := c.stopMount(); err != nil {
			return s, err
		}
		if err := c.start(ctx); err != nil {
			return s, err
		}
	}
	if err := c.forget(ctx); err != nil {
		return s, err
	}
	before, err := c.spent()
	if err != nil {
		return s, err
	}
	served, err := spentBy(c.server.cmd.Process.Pid)
	if err != nil {
		return s, err
	}
	if c.contender == client {
		c.order.Endpoint = c.server.Endpoint
	}
	r, err := do(ctx, c.order)
	s.Seconds = r.Seconds
	if err != nil || c.contender == disk {
		return s, err
	}
	if c.contender == writeBack {
		if s.Stored, err = c.sync(ctx); err != nil {
			return s, err
		}
	}
	used, err := c.server.used(ctx)
	if err != nil {
		return s, err
	}
	s.Requests, s.In, s.Out = used.Counts, used.Traffic.In, used.Traffic.Out
	serving, err := spentBy(c.server.cmd.Process.Pid)
	if err != nil {
		return s, err
	}
	s.Service = serving.CPU - served.CPU
	after, err := c.spent()
	s.CPU, s.Memory = after.CPU-before.CPU, after.Memory
	if c.contender == client {
		s.CPU, s.Memory = r.Spent.CPU, r.Spent.Memory
	}
	return s, err
}

// forget lets counts begin anew, drops the kernel's caches where the workload is
// a cold one, and has memory ready for what it fills them with.
func (c *cell) forget(ctx context.Context) error {
	if c.contender != disk {
		if err := c.server.reset(ctx); err != nil {
			return err
		}
	}
	if !c.w.hot {
		if err := dropCaches(); err != nil {
			return err
		}
	}
	if !c.sizes.IsFull {
		return nil // its seconds say nothing
	}
	size := int64(spareMemory)
	if c.w.pages != nil {
		size += c.w.pages(c.sizes)
	}
	return presentMemory(ctx, size)
}

// spent is what the mount's process has used; nothing without one.
func (c *cell) spent() (spent, error) {
	if c.mount == nil {
		return spent{}, nil
	}
	return spentBy(c.mount.cmd.Process.Pid)
}

// sync waits until everything is in the bucket, and says how long.
func (c *cell) sync(ctx context.Context) (float64, error) {
	began := time.Now()
	p, err := startChild(ctx, childOptions{args: []string{c.program, "sync", c.order.Place.Dir}, env: []string{"HOME=" + c.private}})
	if err != nil {
		return 0, err
	}
	err = p.wait(stepTime)
	return time.Since(began).Seconds(), err
}

// dropCaches makes the kernel forget the pages and names it has.
func dropCaches() error {
	unix.Sync() // only clean pages can be dropped
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0o200)
}
