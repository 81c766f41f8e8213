package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// export makes a file of one pending change. The file must not exist, and is
// gone again when it cannot be made whole.
func (o *PendingOptions) export(ctx context.Context, chosen []choice) error {
	if len(chosen) != 1 || len(chosen[0].pending) != 1 {
		return errors.New("--export makes one file: name one path, or an ID where a path has several changes")
	}
	c := chosen[0]
	if c.place.daemon.Mountpoint != "" {
		inside, err := c.place.daemon.IsBelow(filepath.Dir(o.Export))
		if err != nil {
			return fmt.Errorf("--export: %w", err)
		}
		if inside {
			return fmt.Errorf("--export: %s is in the mount itself: choose a place outside it", o.Export)
		}
	}
	f, err := os.OpenFile(o.Export, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("--export: %w", err)
	}
	err = c.place.client.Export(ctx, c.pending[0].ID, f)
	if err == nil {
		err = f.Sync() // what is discarded next is then here
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("export %s: %w", printable(c.place.path(c.pending[0])), err), os.Remove(o.Export))
	}
	return nil
}
