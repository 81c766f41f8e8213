package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/docker/go-units"

	"ncloudfs/remote"
)

// probe is a question that a mount can do without the answer of.
type probe struct {
	name   string
	writes bool
	run    func(context.Context) (Finding, error)
}

// probes are what the documentation leaves open, in the order of the table.
func (e *examination) probes() []probe {
	return []probe{
		{"list buckets", false, e.probeListBuckets},
		{"read ACLs", false, e.probeACL},
		{"list v2", false, e.probeListV2},
		{"next marker", true, e.probeNextMarker},
		{"read after write", true, e.probeReadAfterWrite},
		{"conditional put", true, e.probeConditionalPut},
		{"parts", true, e.probeParts},
		{"list parts", true, e.probeListParts},
		{"copy parts", true, e.probeCopyPart},
		{"acl kept", true, e.probeACLKept},
		{"metadata", true, e.probeMetadata},
		{"names", true, e.probeNames},
		{"speed", true, e.probeSpeed},
	}
}

func (e *examination) probeListBuckets(ctx context.Context) (Finding, error) {
	buckets, err := e.client.Buckets(ctx)
	if errors.Is(err, errors.ErrUnsupported) || remote.CodeOf(err) == remote.AccessDenied {
		return Finding{Status: Absent, Found: "the keys may not list buckets", Effect: "a mount of @ enters buckets by name only"}, nil
	}
	return Finding{Status: OK, Found: fmt.Sprintf("the account has %d", len(buckets)), Effect: "a mount of @ lists them"}, err
}

// aclPath is an object whose ACL can be asked for.
func (e *examination) aclPath() remote.Path {
	if e.ReadOnly {
		return remote.Path{Bucket: e.Bucket}
	}
	return e.object
}

func (e *examination) probeACL(ctx context.Context) (Finding, error) {
	_, err := e.client.ACL(ctx, e.aclPath())
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return Finding{Status: Absent, Found: "the service has no ACLs", Effect: "there are none to keep"}, nil
	case remote.CodeOf(err) == remote.AccessDenied:
		return Finding{Status: Absent, Found: "the keys may not read ACLs", Effect: "what is rewritten becomes private"}, nil
	}
	return Finding{Status: OK, Found: "the keys may read ACLs", Effect: "what is rewritten keeps its ACL"}, err
}

// offered is the finding about an operation that is not documented.
func offered(err error, use, without string) (Finding, error) {
	switch {
	case err == nil:
		return Finding{Status: OK, Found: "offered", Effect: use}, nil
	case errors.Is(err, errors.ErrUnsupported), refused(err):
		return Finding{Status: Absent, Found: "not offered", Effect: without}, nil
	}
	return Finding{}, err
}

func (e *examination) probeListV2(ctx context.Context) (Finding, error) {
	return offered(e.client.ListV2(ctx, e.Bucket, e.Prefix), "not used: version 1 does all", "version 1 is used")
}

// probeNextMarker asks for the first of two pages, with and without delimiter.
func (e *examination) probeNextMarker(ctx context.Context) (Finding, error) {
	for _, name := range []string{"marker/1/x", "marker/2/x"} {
		if _, err := e.put(ctx, name, "x", remote.PutOptions{}); err != nil {
			return Finding{}, err
		}
	}
	named := []string{}
	for delimiter, what := range map[string]string{"/": "with a delimiter", "": "without"} {
		page, err := e.client.ListPage(ctx, remote.ListOptions{Bucket: e.Bucket, Prefix: e.prefix.Key + "marker/", Delimiter: delimiter, MaxKeys: 1})
		if err != nil {
			return Finding{}, err
		}
		if page.Next == "" {
			return Finding{Status: Unknown, Found: "two entries came in a page of one", Effect: "the last name of a page is the marker"}, nil
		}
		if page.Named {
			named = append(named, what)
		}
	}
	f := Finding{Status: OK, Found: "NextMarker comes " + strings.Join(named, " and "), Effect: "where it does not, the last name is the marker"}
	if len(named) == 0 {
		f.Status, f.Found, f.Effect = Absent, "no NextMarker comes", "the last name of a page is the marker"
	}
	return f, nil
}

// probeReadAfterWrite looks whether what was just written or removed is read
// and listed so.
func (e *examination) probeReadAfterWrite(ctx context.Context) (Finding, error) {
	const rounds = 5
	for i := range rounds {
		name := fmt.Sprintf("fresh/%d", i)
		for _, content := range []string{"first", "second, longer"} {
			o, err := e.put(ctx, name, content, remote.PutOptions{})
			if err != nil {
				return Finding{}, err
			}
			now, err := e.client.Head(ctx, o.Path)
			if err != nil || now.ETag != o.ETag {
				return e.stale("an object that was just written is not read so", err)
			}
		}
		page, err := e.client.ListPage(ctx, remote.ListOptions{Bucket: e.Bucket, Prefix: e.prefix.Key + name})
		if err != nil || len(page.Objects) != 1 || page.Objects[0].Size != int64(len("second, longer")) {
			return e.stale("an object that was just written is not listed so", err)
		}
	}
	return Finding{Status: OK, Found: fmt.Sprintf("%d of %d writes were read and listed at once", rounds, rounds), Effect: "other mounts see a change when their --metadata-ttl is over"}, nil
}

func (e *examination) stale(found string, err error) (Finding, error) {
	if err != nil && remote.CodeOf(err) != remote.NoSuchKey {
		return Finding{}, err
	}
	return Finding{Status: Absent, Found: found, Effect: "what a mount writes it remembers until the service agrees; other mounts may see it late"}, nil
}

// probeConditionalPut writes over another version than the one that is named.
func (e *examination) probeConditionalPut(ctx context.Context) (Finding, error) {
	first, err := e.put(ctx, "conditional", "first", remote.PutOptions{})
	if err != nil {
		return Finding{}, err
	}
	second, err := e.put(ctx, "conditional", "second", remote.PutOptions{IfMatch: first.ETag})
	if err == nil {
		_, err = e.put(ctx, "conditional", "third", remote.PutOptions{IfMatch: first.ETag})
	}
	now, headErr := e.client.Head(ctx, first.Path)
	switch {
	case headErr != nil:
		return Finding{}, headErr
	case remote.CodeOf(err) == remote.PreconditionFailed && now.ETag == second.ETag:
		e.known.ConditionalPut = true
		return Finding{Status: OK, Found: "If-Match is honoured", Effect: "an edit of a small file needs no look at it before"}, nil
	case err == nil, refused(err):
		return Finding{Status: Absent, Found: "If-Match is ignored or refused", Effect: "an edit looks at the object just before, and a window of one round trip remains"}, nil
	}
	return Finding{}, err
}

const (
	// smallestPart is the smallest part that a mount sends, in bytes.
	smallestPart = 8 << 20
	// largestSmallest is up to which size the doctor looks for one that is taken.
	largestSmallest = 64 << 20
)

// probeParts makes an object of two parts, which later probes read: the first as
// small as the service takes it.
func (e *examination) probeParts(ctx context.Context) (Finding, error) {
	for size := int64(smallestPart); ; size *= 2 {
		o, err := e.putParts(ctx, size)
		what := "parts of " + units.BytesSize(float64(size))
		switch {
		case remote.CodeOf(err) == remote.EntityTooSmall && size < largestSmallest:
			continue
		case remote.CodeOf(err) == remote.EntityTooSmall:
			return Finding{Status: Failed, Found: what + " are too small", Effect: "mount with a larger --part-size"}, nil
		case err != nil:
			return Finding{}, err
		}
		e.parts = o
		f := Finding{Status: OK, Found: what + " are taken", Effect: "larger files are sent so, side by side"}
		if size > smallestPart {
			f.Found += ", smaller ones are not"
			e.known.PartSize = size
		}
		return f, nil
	}
}

// putParts makes an object of one part of size bytes and one of a single byte.
func (e *examination) putParts(ctx context.Context, size int64) (remote.Object, error) {
	body := large(int(size) + 1)
	u, err := e.upload(ctx, "parts")
	if err != nil {
		return remote.Object{}, err
	}
	var parts []remote.Part
	for i, piece := range [][]byte{body[:size], body[size:]} {
		part, err := u.Part(ctx, i+1, bytes.NewReader(piece), int64(len(piece)))
		if err != nil {
			return remote.Object{}, err
		}
		parts = append(parts, part)
	}
	return u.Complete(ctx, parts)
}

func (e *examination) probeListParts(ctx context.Context) (Finding, error) {
	u, err := e.upload(ctx, "listed")
	if err != nil {
		return Finding{}, err
	}
	if _, err := u.Part(ctx, 1, strings.NewReader("x"), 1); err != nil {
		return Finding{}, err
	}
	_, _, err = u.Parts(ctx)
	return offered(err, "`bucket uploads ls` shows sizes", "`bucket uploads ls` shows no sizes")
}

// probeCopyPart copies a part, and one of a version that is not there.
func (e *examination) probeCopyPart(ctx context.Context) (Finding, error) {
	if e.parts.Path.Key == "" {
		return Finding{Status: Unknown, Found: "there is no object to copy from", Effect: withoutPartCopy}, nil
	}
	u, err := e.upload(ctx, "copied")
	if err != nil {
		return Finding{}, err
	}
	part, err := u.CopyPart(ctx, 1, e.parts, 1, smallestPart)
	if err != nil {
		return offered(err, "", withoutPartCopy)
	}
	other := e.parts
	other.ETag = "0123456789abcdef0123456789abcdef"
	switch _, err := u.CopyPart(ctx, 2, other, 1, smallestPart); {
	case err == nil:
		return Finding{Status: Absent, Found: "x-amz-copy-source-if-match is ignored", Effect: withoutPartCopy}, nil
	case remote.CodeOf(err) != remote.PreconditionFailed:
		return offered(err, "", withoutPartCopy)
	}
	o, err := u.Complete(ctx, []remote.Part{part})
	if err == nil {
		o, err = e.client.Head(ctx, o.Path) // Complete describes what was asked for
	}
	if err == nil && o.Size != smallestPart {
		return Finding{Status: Absent, Found: "other bytes are copied than the range says", Effect: withoutPartCopy}, nil
	}
	e.known.PartCopy = err == nil
	return offered(err, "an edit of a large file does not send again what is unchanged", withoutPartCopy)
}

const withoutPartCopy = "an edit of a large file sends it whole"
