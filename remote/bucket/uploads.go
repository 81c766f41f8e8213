package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"
	"golang.org/x/sync/errgroup"

	"ncloudfs/remote"
)

// UploadsOptions says which unfinished uploads are meant, and how they are printed.
type UploadsOptions struct {
	Bucket    string
	Prefix    string        // of their keys
	OlderThan time.Duration // since they began; 0: all
	Out       io.Writer
	JSON      bool // an array of objects instead of a table
}

// upload is an unfinished upload as it is printed.
type upload struct {
	Key       string    `json:"key"`
	ID        string    `json:"id"`
	Initiated time.Time `json:"initiated"`
	Parts     *int      `json:"parts,omitempty"` // absent where parts cannot be listed
	Bytes     *int64    `json:"bytes,omitempty"`
}

// ListUploads prints unfinished uploads with their age, and where the service
// lists parts their size.
func ListUploads(ctx context.Context, c *remote.Client, o UploadsOptions) error {
	found, err := o.find(ctx, c)
	if err != nil {
		return err
	}
	if err := measure(ctx, c, o.Bucket, found); err != nil {
		return err
	}
	if o.JSON {
		return printJSON(o.Out, found)
	}
	w := tabwriter.NewWriter(o.Out, 0, 0, 2, ' ', 0)
	for _, u := range found {
		size := "unknown size"
		if u.Bytes != nil {
			size = fmt.Sprintf("%s in %d parts", units.BytesSize(float64(*u.Bytes)), *u.Parts)
		}
		fmt.Fprintf(w, "%s ago\t%s\t%q\t%s\n", units.HumanDuration(time.Since(u.Initiated)), size, u.Key, u.ID)
	}
	return w.Flush()
}

// find lists the uploads that o means.
func (o UploadsOptions) find(ctx context.Context, c *remote.Client) ([]upload, error) {
	found := []upload{} // none are [], not null
	for u, err := range c.Uploads(ctx, o.Bucket, o.Prefix) {
		if err != nil {
			return nil, err
		}
		if time.Since(u.Initiated) >= o.OlderThan {
			found = append(found, upload{Key: u.Path.Key, ID: u.ID, Initiated: u.Initiated.UTC()})
		}
	}
	return found, nil
}

// atOnce is how many requests of one command are in flight.
const atOnce = 16

// measure fills in what the parts of each are, unless the service does not
// list parts; an upload that ended meanwhile has none.
func measure(ctx context.Context, c *remote.Client, bucket string, found []upload) error {
	var unsupported atomic.Bool
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i := range found {
		g.Go(func() error {
			u := &found[i]
			if unsupported.Load() {
				return nil
			}
			parts, size, err := c.Resume(remote.Path{Bucket: bucket, Key: u.Key}, u.ID, remote.PutOptions{}).Parts(ctx)
			switch {
			case err == nil:
				u.Parts, u.Bytes = &parts, &size
			case errors.Is(err, errors.ErrUnsupported):
				unsupported.Store(true)
			case remote.CodeOf(err) != remote.NoSuchUpload && remote.CodeOf(err) != remote.AccessDenied:
				return err
			}
			return nil
		})
	}
	return g.Wait()
}

// AbortUploads aborts the uploads that o means, and says how many. It goes on
// after one that cannot be aborted; the error names each.
func AbortUploads(ctx context.Context, c *remote.Client, o UploadsOptions) error {
	found, err := o.find(ctx, c)
	if err != nil {
		return err
	}
	failures := make([]error, len(found))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, u := range found {
		g.Go(func() error {
			failures[i] = c.Resume(remote.Path{Bucket: o.Bucket, Key: u.Key}, u.ID, remote.PutOptions{}).Abort(ctx)
			return nil
		})
	}
	_ = g.Wait() // each is in failures
	aborted := 0
	for _, err := range failures {
		if err == nil {
			aborted++
		}
	}
	fmt.Fprintf(o.Out, "aborted %d of %d unfinished uploads\n", aborted, len(found))
	return errors.Join(failures...)
}
