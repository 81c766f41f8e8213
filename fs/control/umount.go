package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"ncloudfs/cache"
	"ncloudfs/fs"
)

// UmountOptions says what is unmounted.
type UmountOptions struct {
	Mountpoint string
	DrainTime  time.Duration // how long uploads are waited for; 0: as long as the mount would
	Out        io.Writer     // for progress
}

// Umount brings everything into the bucket, unmounts, and waits for the end of
// the daemon. When the time is over, or ctx ends, what is left is the error.
func Umount(ctx context.Context, o UmountOptions) error {
	d, err := fs.FindDaemon(o.Mountpoint)
	if err != nil {
		return fs.Unmount(o.Mountpoint) // a dead mount, or it knows better what is wrong
	}
	u := umount{o: o, daemon: d, client: Dial(d), progress: newProgress(o.Out, "waiting for uploads")}
	defer u.progress.end()
	if u.about, err = u.client.Status(ctx); err != nil {
		if errors.Is(err, errGone) { // it has no socket: its log says why
			return errors.Join(fs.Unmount(o.Mountpoint), d.AwaitExit(ctx))
		}
		return err
	}
	if u.o.DrainTime == 0 {
		u.o.DrainTime = time.Duration(u.about.DrainTime)
	}
	if err = u.run(ctx); errors.Is(err, errGone) && u.about.State == StateDraining {
		return nil // it has ended meanwhile
	}
	return err
}

// umount is one run of the command.
type umount struct {
	o        UmountOptions
	daemon   fs.Daemon
	client   *Client
	about    Status
	progress *progress
}

func (u *umount) run(ctx context.Context) error {
	if u.about.State == StateDraining {
		return u.end(ctx, u.o.DrainTime)
	}
	deadline := time.Now().Add(u.o.DrainTime)
	// While it is mounted: who ends the wait still has the mount then.
	waiting, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	err := u.client.Sync(waiting, u.progress.tell)
	_, isLeft := errors.AsType[*Unfinished](err) // the end of the mount has the last word
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("not waiting any longer: %s stays mounted, and its uploads go on", u.o.Mountpoint)
	case err != nil && !isLeft && waiting.Err() == nil:
		return err
	}
	return u.end(ctx, max(time.Until(deadline), time.Nanosecond))
}

// end unmounts and follows the end of the daemon.
func (u *umount) end(ctx context.Context, most time.Duration) error {
	heard := make(chan struct{})
	ended := make(chan error, 1)
	following, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		first := true
		ended <- u.client.Drain(following, most, func(b cache.Backlog) {
			if first {
				first = false
				close(heard)
			}
			u.progress.tell(b)
		})
	}()
	select {
	case <-heard:
	case err := <-ended:
		return err
	}
	if u.about.State == StateMounted {
		if err := fs.Unmount(u.o.Mountpoint); err != nil {
			return err
		}
	}
	err := <-ended
	if ctx.Err() != nil {
		return fmt.Errorf("not waiting any longer: %s is unmounted, process %d goes on uploading", u.o.Mountpoint, u.daemon.PID)
	}
	if left, ok := errors.AsType[*Unfinished](err); ok {
		err = leftover(left.Backlog, u.about.StageDir)
	}
	return errors.Join(err, u.daemon.AwaitExit(ctx))
}
