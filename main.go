// Command ncloudfs mounts a NAVER Cloud Object Storage bucket, or any
// S3-compatible one, as a directory.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"ncloudfs/config"
	"ncloudfs/config/daemon"
	"ncloudfs/fs"
	"ncloudfs/fs/control"
	"ncloudfs/remote"
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
		Version:   daemon.Version(version),
		Stdin:     os.Stdin,
		Stdout:    os.Stdout,
		Stderr:    os.Stderr,
		LookupEnv: os.LookupEnv,
		Mount: func(ctx context.Context, m *config.Mount) error {
			if !m.Foreground && p.parent == nil {
				return daemon.Start(ctx, args)
			}
			return p.mount(ctx, m, "")
		},
		Umount:     control.Umount,
		Status:     control.ShowStatus,
		Sync:       control.Sync,
		Pending:    control.Pending,
		Demo:       p.demo,
		Doctor:     runDoctor,
		WithClient: withClient,
	}
	return app.Run(ctx, args)
}

// mount mounts and stays until somebody unmounts or ctx ends. What can be
// known to be wrong without mounting is found first.
func (p *program) mount(ctx context.Context, m *config.Mount, welcome string) error {
	if err := fs.CheckMountpoint(m.Mountpoint); err != nil {
		return err
	}
	store, err := m.Store.WithKeys(ctx)
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
	memory := doctor.Memory{Dir: m.StateDir}
	if m.Cache.Client, err = memory.Client(store); err != nil {
		return err
	}
	daemon.LimitMemory(m.Cache.Memory)
	service, err := control.Mount(ctx, control.ServiceOptions{
		Mountpoint: m.Mountpoint, Cache: m.Cache, FS: m.FS, DrainTime: m.DrainTime, Version: daemon.Version(version), Logger: log.Logger,
		Wait: func(pid int) {
			fmt.Fprintf(os.Stderr, "ncloudfs: waiting for process %d, which still uploads what was written to %s\n", pid, m.Mountpoint)
		},
	})
	if err != nil {
		return err
	}
	log.Info("mounted", "source", m.Source, "mountpoint", m.Mountpoint, "keys", store.Credentials.Source)
	if err := p.parent.Ready(log.File); err != nil {
		now, cancel := context.WithCancel(ctx)
		cancel()
		return errors.Join(err, service.Run(now, p.force))
	}
	p.log = log
	fmt.Print(welcome)
	if err := service.Run(ctx, p.force); err != nil {
		return err
	}
	log.Info("unmounted")
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
	store, err := d.Store.WithKeys(ctx)
	if err != nil {
		return err
	}
	return doctor.Run(ctx, doctor.Options{Remote: store, Bucket: d.Source.Bucket, Prefix: d.Source.Prefix,
		ReadOnly: d.ReadOnly, JSON: d.JSON, Memory: doctor.Memory{Dir: d.StateDir}, Out: os.Stdout})
}

// withClient is for somebody who waits at a terminal.
func withClient(ctx context.Context, s config.Store, do func(context.Context, *remote.Client) error) error {
	store, err := s.WithKeys(ctx)
	if err != nil {
		return err
	}
	client, err := remote.New(doctor.Impatient(store))
	if err != nil {
		return err
	}
	return doctor.Explained(do(ctx, client), store.Credentials)
}
