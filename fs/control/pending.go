package control

import (
	"context"
	"errors"
	"fmt"
	"io"

	"ncloudfs/cache"
	"ncloudfs/fs"
	"ncloudfs/remote"
)

// PendingOptions says what `ncloudfs pending` lists or does. One of Retry,
// Discard and Export, or none.
type PendingOptions struct {
	Mountpoint string // empty: StageDir
	StageDir   string
	Names      []string // paths or IDs of what to act on
	All        bool     // act on everything
	Retry      bool
	Discard    bool
	Export     string // file to make of the one that is named
	JSON       bool   // list as JSON

	Keys func() (remote.Options, error) // for uploads from StageDir, and perhaps exports
	Out  io.Writer
	Err  io.Writer // for progress
}

// Pending lists what the bucket lacks, or acts on some of it, for one mount or
// for all sources that a stage directory has journals of.
func Pending(ctx context.Context, o PendingOptions) error {
	places, err := o.open(ctx)
	defer func() {
		for _, p := range places {
			p.close()
		}
	}()
	if err != nil && len(places) == 0 {
		return err
	}
	if !o.Retry && !o.Discard && o.Export == "" {
		return errors.Join(o.list(places), err)
	}
	chosen, chooseErr := o.choose(places)
	if chooseErr != nil {
		return errors.Join(chooseErr, err)
	}
	switch {
	case o.Retry:
		return errors.Join(o.retry(ctx, chosen), err)
	case o.Discard:
		return errors.Join(o.discard(ctx, chosen), err)
	}
	return errors.Join(o.export(ctx, chosen), err)
}

// place is a source, and the process that has its journal.
type place struct {
	client  *Client
	about   Status
	daemon  fs.Daemon // zero: there is no mount
	pending []cache.Pending
	close   func()
}

// open asks one mount or opens a directory. Places that cannot be opened are
// in the error.
func (o *PendingOptions) open(ctx context.Context) ([]*place, error) {
	if o.Mountpoint != "" {
		d, err := fs.FindDaemon(o.Mountpoint)
		if err != nil {
			return nil, err
		}
		p := &place{client: Dial(d), daemon: d, close: func() {}}
		return []*place{p}, p.load(ctx)
	}
	sources, err := cache.Sources(o.StageDir)
	var places []*place
	errs := []error{err} // those that cannot be read
	for _, source := range sources {
		p, err := o.openSource(ctx, source)
		if err == nil {
			if err = p.load(ctx); err != nil {
				p.close()
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", nameOf(source), err))
			continue
		}
		places = append(places, p)
	}
	return places, errors.Join(errs...)
}

func (p *place) load(ctx context.Context) (err error) {
	if p.about, err = p.client.Status(ctx); err != nil {
		return err
	}
	p.pending, err = p.client.Pending(ctx)
	return err
}

func (o *PendingOptions) retry(ctx context.Context, chosen []choice) error {
	shown := newProgress(o.Err, "uploading")
	defer shown.end()
	var errs []error
	for _, c := range chosen {
		errs = append(errs, c.place.client.Retry(ctx, c.ids(), shown.tell))
	}
	return errors.Join(errs...)
}

func (o *PendingOptions) discard(ctx context.Context, chosen []choice) error {
	var errs []error
	for _, c := range chosen {
		if len(c.pending) > 0 {
			errs = append(errs, c.place.client.Discard(ctx, c.ids()))
		}
	}
	return errors.Join(errs...)
}
