package control

import (
	"context"
	"errors"
	"fmt"
	"io"

	"ncloudfs/fs"
)

// SyncOptions says which mount is waited for.
type SyncOptions struct {
	Mountpoint string
	Out        io.Writer // for progress
}

// Sync waits until everything that was closed is in the bucket. The error says
// what is not, and why.
func Sync(ctx context.Context, o SyncOptions) error {
	d, err := fs.FindDaemon(o.Mountpoint)
	if err != nil {
		return err
	}
	return syncWith(ctx, Dial(d), o)
}

func syncWith(ctx context.Context, c *Client, o SyncOptions) error {
	p := newProgress(o.Out, "waiting for uploads")
	err := c.Sync(ctx, p.tell)
	p.end()
	if u, ok := errors.AsType[*Unfinished](err); ok {
		return fmt.Errorf("%w; see ncloudfs pending %s", u, o.Mountpoint)
	}
	if ctx.Err() != nil {
		return errors.New("not waiting any longer: the uploads go on")
	}
	return err
}
