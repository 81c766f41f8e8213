package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"ncloudfs/remote"
)

// Options says what is examined.
type Options struct {
	Remote   remote.Options
	Bucket   string
	Prefix   string // empty, or ends in "/"
	ReadOnly bool   // write nothing
	JSON     bool   // one document instead of a table
	Memory   Memory // where what the endpoint offers is kept
	Out      io.Writer
}

// examination is one run of the doctor.
type examination struct {
	Options
	scratch
	findings []Finding
	failed   int

	object remote.Path     // the object of the first checks
	parts  remote.Object   // one of parts, when they were taken
	known  remote.Findings // for Memory
}

// check is something that a mount needs.
type check struct {
	name string
	run  func(context.Context) (found string, err error)
	// vital: without it the checks that follow cannot work either
	vital bool
}

// Run checks one thing after the other, what a mount needs before what it can
// do without, and prints a line for each. The error says how many a mount could
// not do without.
func Run(ctx context.Context, o Options) (err error) {
	o.Remote = Impatient(o.Remote)
	client, err := remote.New(o.Remote)
	if err != nil {
		return err
	}
	e := &examination{Options: o, scratch: scratch{client: client,
		prefix: remote.Path{Bucket: o.Bucket, Key: o.Prefix + scratchPrefix + rand.Text()[:12] + "/"}}}
	defer func() {
		if dirt := e.clean(ctx); dirt != nil {
			err = errors.Join(err, fmt.Errorf("cleaning up: %w", dirt))
		}
	}()
	if e.check(ctx) {
		o.Remote.RetryTime = probeTime
		if e.client, err = remote.New(o.Remote); err != nil {
			return err
		}
		e.probe(ctx)
	}
	if e.JSON {
		if err := e.printJSON(); err != nil {
			return err
		}
	}
	if e.failed > 0 {
		return fmt.Errorf("%d of %d checks failed", e.failed, len(e.findings))
	}
	return nil
}

// probeTime is for how long a probe is tried again: the service is there by then,
// and one that is busy is not to be taken for one that lacks something.
const probeTime = 20 * time.Second

// check goes through what a mount needs, and reports whether to go on.
func (e *examination) check(ctx context.Context) bool {
	checks := []check{
		{"keys", e.checkKeys, true},
		{"endpoint", e.checkEndpoint, true},
		{"bucket", e.checkBucket, true},
		{"list", e.checkList, true},
	}
	if !e.ReadOnly {
		checks = append(checks,
			check{"put", e.checkPut, true},
			check{"get", e.checkGet, false},
			check{"delete", e.checkDelete, false})
	}
	for i, c := range checks {
		found, err := c.run(ctx)
		if err == nil {
			e.add(Finding{Name: c.name, Status: OK, Found: found})
			continue
		}
		e.add(Finding{Name: c.name, Status: Failed, Found: Explained(err, e.Remote.Credentials).Error()})
		if c.vital || ctx.Err() != nil {
			for _, skipped := range checks[i+1:] {
				e.add(Finding{Name: skipped.name, Status: Skipped, Found: "not tried"})
			}
			return false
		}
	}
	return true
}

// probe finds out what a mount can make use of, and keeps that.
func (e *examination) probe(ctx context.Context) {
	if !e.ReadOnly {
		e.sweep(ctx)
		if _, err := e.put(ctx, "object", string(content()), remote.PutOptions{}); err == nil {
			e.object = e.path("object")
		}
	}
	for _, p := range e.probes() {
		if p.writes && e.ReadOnly || ctx.Err() != nil {
			continue
		}
		f, err := p.run(ctx)
		if err != nil {
			f = Finding{Status: Unknown, Found: Explained(err, e.Remote.Credentials).Error(), Effect: "a mount relies on what is documented"}
		}
		f.Name = p.name
		e.add(f)
	}
	if e.ReadOnly || ctx.Err() != nil {
		return
	}
	if err := e.Memory.Remember(e.client.Endpoint(), e.known); err != nil {
		e.add(Finding{Name: "memory", Status: Unknown, Found: err.Error(), Effect: "mounts use only what is documented"})
	}
}

func (e *examination) checkKeys(context.Context) (string, error) {
	k := e.Remote.Credentials
	if k.Anonymous {
		return "none are sent (--anonymous)", nil
	}
	return "from " + k.Source, nil
}

// maxSkew is how far the clock may be off before the service refuses
// requests (RequestTimeTooSkewed).
const maxSkew = 15 * time.Minute

// checkEndpoint asks for the bucket, unsigned: whatever the answer is, it
// shows that somebody answers and what time it is there.
func (e *examination) checkEndpoint(ctx context.Context) (string, error) {
	o := e.Remote
	o.Credentials = remote.Credentials{Anonymous: true}
	c, err := remote.New(o)
	if err != nil {
		return "", err
	}
	began := time.Now()
	err = c.HeadBucket(ctx, e.Bucket)
	if err != nil && statusOf(err) == 0 {
		return "", err
	}
	found := fmt.Sprintf("%s answers after %s; region %s", c.Endpoint(), time.Since(began).Round(time.Millisecond), c.Region())
	skew, known := c.ClockSkew()
	switch {
	case !known:
		return found + "; it does not tell the time", nil
	case skew.Abs() > maxSkew:
		return "", fmt.Errorf("%s: set it, e.g. by timedatectl set-ntp true", describe(skew))
	}
	return found + "; " + describe(skew), nil
}

// statusOf returns the HTTP status of a failure, 0 when no answer came.
func statusOf(err error) int {
	if e, ok := errors.AsType[*remote.Error](err); ok {
		return e.Status
	}
	return 0
}

// refused reports that the service answered that it has done nothing.
func refused(err error) bool { s := statusOf(err); return s >= 400 && s < 500 }

// describe says how far the clock is off, by a server's time in whole seconds.
func describe(skew time.Duration) string {
	switch {
	case skew.Abs() < 2*time.Second:
		return "the clocks agree"
	case skew < 0:
		return fmt.Sprintf("this machine's clock is %s behind", -skew.Round(time.Second))
	}
	return fmt.Sprintf("this machine's clock is %s ahead", skew.Round(time.Second))
}

// checkBucket tells a bucket that is not there from one that may not be
// looked at: restricted keys may lack the right.
func (e *examination) checkBucket(ctx context.Context) (string, error) {
	err := e.client.HeadBucket(ctx, e.Bucket)
	if remote.CodeOf(err) == remote.AccessDenied {
		return "may not be asked for directly: listing will tell", nil
	}
	return e.Bucket + " is there", err
}

func (e *examination) checkList(ctx context.Context) (string, error) {
	began := time.Now()
	page, err := e.client.ListPage(ctx, remote.ListOptions{Bucket: e.Bucket, Prefix: e.Prefix, Delimiter: "/"})
	if err != nil {
		return "", err
	}
	more := ""
	if page.Next != "" {
		more = ", and there are more"
	}
	return fmt.Sprintf("names: %d%s; answered after %s", len(page.Objects)+len(page.Prefixes), more, time.Since(began).Round(time.Millisecond)), nil
}

// content is what the scratch object holds: every byte there is.
func content() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func (e *examination) checkPut(ctx context.Context) (string, error) {
	o, err := e.put(ctx, "object", string(content()), remote.PutOptions{})
	if errors.Is(err, remote.ErrTooLarge) {
		return "", fmt.Errorf("%w: the prefix is too long", err)
	}
	if remote.CodeOf(err) == remote.AccessDenied {
		e.forget(e.path("object"))
		return "", fmt.Errorf("%w: mount with --read-only, or get keys that may write", err)
	}
	return "wrote " + o.Path.Key, err
}

func (e *examination) checkGet(ctx context.Context) (string, error) {
	got, err := e.read(ctx, "object")
	if err != nil {
		return "", err
	}
	if got != string(content()) {
		return "", errors.New("other bytes came back than were written: something on the way changes them; do not use it")
	}
	return "the same bytes came back", nil
}

func (e *examination) checkDelete(ctx context.Context) (string, error) {
	p := e.path("object")
	if err := e.client.Delete(ctx, p); err != nil {
		return "", fmt.Errorf("%w: files can be written but not removed", err)
	}
	_, err := e.client.Head(ctx, p)
	if err == nil {
		return "", errors.New("the object is still there after its deletion: is the bucket locked?")
	}
	if remote.CodeOf(err) != remote.NoSuchKey {
		return "", err
	}
	e.forget(p)
	return "gone again", nil
}
