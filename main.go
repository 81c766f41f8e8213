// Command ncloudfs mounts a NAVER Cloud Object Storage bucket, or any
// S3-compatible one, as a directory.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"ncloudfs/cache"
	"ncloudfs/config"
	"ncloudfs/config/daemon"
	"ncloudfs/fs"
	"ncloudfs/remote"
	"ncloudfs/remote/bucket"
	"ncloudfs/remote/demo"
	"ncloudfs/remote/doctor"
)

// version is set by -ldflags "-X main.version=..."; else the build knows it.
var version string

func main() {
	stop, force := daemon.Signals()
	p := &program{parent: daemon.FindParent(), force: force}
	if err := p.run(stop, os.Args); err != nil {
		p.complain(err)
		os.Exit(1)
	}
}

// program is one run of ncloudfs.
type program struct {
	parent *daemon.Parent  // waits until the mount answers; nil: stay in the foreground
	force  context.Context // ends when the user will not wait for uploads
	log    *daemon.Log     // nil before there is a mount
}

// complain says why the program failed, in one line and in one place: in the
// log of a mount that was there, to the parent that waits for one, or here.
func (p *program) complain(err error) {
	line := strings.ReplaceAll(err.Error(), "\n", "; ") // several errors at once
	switch {
	case p.log != nil:
		p.log.Error(line)
	case p.parent != nil:
		p.parent.Failed(line)
	default:
		fmt.Fprintln(os.Stderr, "ncloudfs:", line)
	}
}

func (p *program) run(ctx context.Context, args []string) error {
	if err := daemon.NoCore(); err != nil {
		return err
	}
	app := &config.App{
		Version:   buildVersion(),
		Stdout:    os.Stdout,
		LookupEnv: os.LookupEnv,
		Mount: func(ctx context.Context, m *config.Mount) error {
			if !m.Foreground && p.parent == nil {
				return daemon.Start(ctx, args)
			}
			return p.mount(ctx, m, "")
		},
		Umount:     umount,
		Demo:       p.demo,
		Doctor:     runDoctor,
		BucketList: listBuckets,
	}
	return app.Run(ctx, args)
}

// mount mounts and stays until somebody unmounts or ctx ends. What can be
// known to be wrong without mounting is found first.
func (p *program) mount(ctx context.Context, m *config.Mount, welcome string) error {
	if err := fs.CheckMountpoint(m.Mountpoint); err != nil {
		return err
	}
	store, err := withKeys(m.Store)
	if err != nil {
		return err
	}
	if err := doctor.Probe(ctx, store, m.Source.Bucket, m.Source.Prefix); err != nil {
		return err
	}
	log, err := daemon.OpenLog(m.Log, p.parent, m.StateDir)
	if err != nil {
		return err
	}
	store.Logger, m.Cache.Logger, m.FS.Logger = log.Logger, log.Logger, log.Logger
	if m.Cache.Client, err = remote.New(store); err != nil {
		return err
	}
	daemon.LimitMemory(m.Cache.Memory)
	local, err := cache.Open(p.force, m.Cache)
	if err != nil {
		return err
	}
	mounted, err := fs.New(p.force, m.Mountpoint, local, m.FS)
	if err != nil {
		return errors.Join(err, local.Close())
	}
	log.Info("mounted", "source", m.Source, "mountpoint", m.Mountpoint, "keys", store.Credentials.Source)
	if err := p.parent.Ready(log.File); err != nil {
		return errors.Join(err, mounted.Unmount(p.force), local.Close())
	}
	p.log = log
	fmt.Print(welcome)
	return p.serve(ctx, mounted, local)
}

// serve waits for the end of the mount and brings everything into the bucket.
func (p *program) serve(ctx context.Context, mounted *fs.Mount, local *cache.Cache) error {
	var err error
	select {
	case <-mounted.Done():
		err = mounted.Close(p.force)
	case <-ctx.Done():
		p.log.Info("finishing uploads, then unmounting; a second signal does not wait")
		err = mounted.Unmount(p.force)
	}
	if err = errors.Join(err, local.Close()); err != nil {
		return fmt.Errorf("at the end of the mount: %w", err)
	}
	p.log.Info("unmounted")
	return nil
}

func (p *program) demo(ctx context.Context, d *config.Demo) error {
	if err := fs.CheckMountpoint(d.Mount.Mountpoint); err != nil {
		return err
	}
	bucket, err := demo.Open(ctx, d.Dir, d.Mount.Source.Bucket)
	if err != nil {
		return err
	}
	defer bucket.Close()
	d.Mount.Store.Remote = bucket.Store
	return p.mount(ctx, d.Mount, bucket.Welcome(os.Args[0], d.Mount.Mountpoint))
}

func runDoctor(ctx context.Context, d *config.Doctor) error {
	store, err := withKeys(d.Store)
	if err != nil {
		return err
	}
	return doctor.Run(ctx, doctor.Options{Remote: store, Bucket: d.Source.Bucket, Prefix: d.Source.Prefix,
		ReadOnly: d.ReadOnly, Out: os.Stdout})
}

func listBuckets(ctx context.Context, l *config.BucketList) error {
	store, err := withKeys(l.Store)
	if err != nil {
		return err
	}
	client, err := remote.New(doctor.Impatient(store))
	if err != nil {
		return err
	}
	return bucket.List(ctx, client, bucket.ListOptions{Out: os.Stdout, JSON: l.JSON})
}

// withKeys completes the options of a store with the keys that are found.
func withKeys(s config.Store) (remote.Options, error) {
	o := s.Remote
	if o.Credentials.Anonymous || o.Credentials.AccessKey != "" {
		return o, nil
	}
	var err error
	o.Credentials, err = remote.FindCredentials(remote.CredentialOptions{Profile: s.Profile})
	return o, err
}

// buildVersion is what `ncloudfs version` prints.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	switch {
	case version != "":
		return version
	case !ok || info.Main.Version == "":
		return "(unknown)"
	}
	return info.Main.Version
}

// umount unmounts, and says so when that takes a while.
func umount(ctx context.Context, u *config.Umount) error {
	slow := time.AfterFunc(2*time.Second, func() {
		fmt.Fprintln(os.Stderr, "ncloudfs: waiting for uploads; Ctrl-C ends the wait, not the uploads")
	})
	defer slow.Stop()
	return fs.Unmount(ctx, u.Mountpoint)
}
