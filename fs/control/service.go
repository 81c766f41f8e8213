package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"ncloudfs/cache"
	"ncloudfs/fs"
)

// ServiceOptions says what is mounted and how long its end may take.
type ServiceOptions struct {
	Mountpoint string
	Cache      cache.Options
	FS         fs.Options
	DrainTime  time.Duration // how long the end waits for uploads
	Version    string        // of the program
	Logger     *slog.Logger  // must be set

	Wait func(pid int) // is called before a predecessor that still uploads is awaited
}

// Service is a mount and what lives as long as it: cache, presence, socket.
type Service struct {
	o        ServiceOptions
	presence *fs.Presence
	cache    *cache.Cache
	mount    *fs.Mount
	server   *Server
}

// Mount mounts and begins to answer.
func Mount(ctx context.Context, o ServiceOptions) (*Service, error) {
	s := &Service{o: o}
	var err error
	if s.presence, err = fs.Announce(ctx, o.Mountpoint, o.Wait); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		o.Logger.Warn("ncloudfs umount, sync and pending cannot reach this mount", "err", err)
	}
	if s.cache, err = cache.Open(ctx, o.Cache); err != nil {
		s.presence.End()
		return nil, sayWhere(ctx, err)
	}
	if s.mount, err = fs.New(ctx, o.Mountpoint, s.cache, o.FS); err != nil {
		s.presence.End()
		return nil, errors.Join(err, s.cache.Close())
	}
	s.server = start(s.presence.Socket(), Options{Cache: s.cache, Mount: s.mount, About: s.about(), Logger: o.Logger})
	return s, nil
}

// sayWhere adds to the error of a stage directory that is in use what is
// mounted with it.
func sayWhere(ctx context.Context, err error) error {
	held, ok := errors.AsType[*cache.HeldError](err)
	if !ok || held.IsDraining {
		return err
	}
	d, found := fs.DaemonOf(held.PID)
	if !found {
		return err
	}
	about, failed := Dial(d).Status(ctx)
	if failed != nil {
		return err
	}
	return fmt.Errorf("%w (its mount point is %s)", err, about.Mountpoint)
}

func (s *Service) about() Status {
	o := s.o.Cache
	return Status{Version: s.o.Version, Source: s.o.FS.Source, Mountpoint: s.o.Mountpoint, StageDir: o.StageDir, DrainTime: Duration(s.o.DrainTime),
		Origin: cache.Source{Endpoint: o.Client.Endpoint(), Region: o.Client.Region(), Bucket: o.Bucket, Prefix: o.Prefix}}
}

// Run waits for somebody to unmount, or for the end of ctx, and then brings
// everything into the bucket. It gives up when the time for that is over or
// force ends; the error says what is left.
func (s *Service) Run(ctx, force context.Context) error {
	defer s.presence.End()
	unmount := s.mount.Close
	select {
	case <-s.mount.Done():
	case <-ctx.Done():
		s.o.Logger.Info("finishing uploads, then unmounting; a second signal does not wait")
		unmount = s.mount.Unmount
	}
	ending, cancel := s.server.Ending(force, s.o.DrainTime)
	defer cancel()
	err := errors.Join(s.presence.Drain(), unmount(ending))
	left := leftover(s.cache.Backlog(), s.o.Cache.StageDir)
	if left != nil && context.Cause(ending) == errTime {
		err = nil // it says the same, file by file
	}
	s.server.Close()
	if err = errors.Join(err, left, s.cache.Close()); err != nil {
		return fmt.Errorf("at the end of the mount: %w", err)
	}
	return nil
}
