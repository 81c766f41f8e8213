package cache

import (
	"context"
	"errors"
	"fmt"
	"io"

	"ncloudfs/remote"
)

// Revalidate is Stat of a file, or of what was one, that asks the bucket whatever is
// known of it: one HEAD. What is staged is known without.
func (c *Cache) Revalidate(ctx context.Context, n Name, e Entry) (Entry, error) {
	if e.Staged != nil || e.Kind != File {
		return e, nil
	}
	return c.examine(ctx, n, e)
}

// ReadUncached reads the bytes of version o at off into dest, less at its end, past
// blocks, disk and window: a GET for each call, whose answer is of that version or an
// error, remote.ErrChanged or fs.ErrNotExist where the object is another by now.
func (c *Cache) ReadUncached(ctx context.Context, o remote.Object, dest []byte, off int64) (int, error) {
	if off >= o.Size || len(dest) == 0 {
		return 0, nil
	}
	step("read")
	dest = dest[:min(int64(len(dest)), o.Size-off)]
	for try := 1; ; try++ {
		err := c.getInto(ctx, o, dest, off)
		if err == nil {
			return len(dest), nil
		}
		if !errors.Is(err, errBroken) || try >= maxTries || ctx.Err() != nil {
			return 0, err
		}
		pause(ctx, firstPause<<(try-1))
	}
}

// getInto fills dest. errBroken is worth another try.
func (c *Cache) getInto(ctx context.Context, o remote.Object, dest []byte, off int64) error {
	body, err := c.client.Get(ctx, o.Path, remote.GetOptions{Offset: off, Length: int64(len(dest)), IfMatch: o.ETag})
	if err != nil {
		return err
	}
	defer body.Close()
	switch got := body.Object; {
	case got.ETag != o.ETag || got.Size != o.Size:
		return fmt.Errorf("get %s: %w: answer is of ETag %q with %d bytes, not %q with %d", o.Path, remote.ErrChanged, got.ETag, got.Size, o.ETag, o.Size)
	case body.Length != int64(len(dest)):
		return fmt.Errorf("get %s: %w: %d bytes announced, not %d", o.Path, errBroken, body.Length, len(dest))
	}
	if _, err := io.ReadFull(body, dest); err != nil {
		return fmt.Errorf("get %s: %w: %w", o.Path, errBroken, err)
	}
	return nil
}
