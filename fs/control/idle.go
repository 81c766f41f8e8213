package control

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"strings"
	"time"

	"ncloudfs/cache"
	"ncloudfs/fs"
	"ncloudfs/remote"
)

// lockTime is how long a mount that is ending may keep a stage directory
// before it is asked instead.
const lockTime = time.Second

// openSource opens what a stage directory holds of one source, or asks the
// mount that has it.
func (o *PendingOptions) openSource(ctx context.Context, source cache.Source) (*place, error) {
	client, err := o.client(source)
	if err != nil {
		return nil, err
	}
	soon, cancel := context.WithTimeout(ctx, lockTime)
	defer cancel()
	local, err := cache.Open(soon, cache.Options{Client: client, Bucket: source.Bucket, Prefix: source.Prefix, StageDir: o.StageDir, Idle: true})
	if held, ok := errors.AsType[*cache.HeldError](err); ok {
		if d, found := fs.DaemonOf(held.PID); found {
			return &place{client: Dial(d), daemon: d, close: func() {}}, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return serveIdle(local, source, o.StageDir)
}

// serveIdle serves a directory without a mount to this process.
func serveIdle(local *cache.Cache, source cache.Source, dir string) (*place, error) {
	name := "@ncloudfs-" + rand.Text() // abstract: no file
	l, err := net.Listen("unix", name)
	if err != nil {
		return nil, errors.Join(err, local.Close())
	}
	s := Serve(l, Options{Cache: local, About: Status{Source: nameOf(source), Origin: source, StageDir: dir}})
	return &place{client: dial(name, os.Getpid()), close: func() {
		s.Close()
		_ = local.Close() // what it did is in the journal already
	}}, nil
}

func nameOf(s cache.Source) string { return strings.TrimSuffix("s3://"+s.Bucket+"/"+s.Prefix, "/") }

// client makes the client of a source, with keys where they are needed. An
// export of what is all on the local disk needs none.
func (o *PendingOptions) client(source cache.Source) (*remote.Client, error) {
	with := remote.Options{Credentials: remote.Credentials{Anonymous: true}}
	if o.Retry || o.Export != "" {
		found, err := o.Keys()
		switch {
		case err == nil:
			with = found
		case o.Retry:
			return nil, err
		}
	}
	with.Endpoint, with.Region = source.Endpoint, source.Region
	return remote.New(with)
}
