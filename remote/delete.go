package remote

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"unicode/utf8"
)

// maxDelete is how many keys one Delete Multiple takes (Object Storage API guide).
const maxDelete = 1000

// Delete removes an object; an absent one is no error.
func (c *Client) Delete(ctx context.Context, p Path) error {
	err := c.do(ctx, &call{op: "DELETE", path: p, method: http.MethodDelete, object: true, changes: []Path{p}})
	if CodeOf(err) == NoSuchKey {
		return nil
	}
	return err
}

// DeleteMany deletes any number of keys in batches of 1000; keys that XML 1.0
// cannot express are deleted singly. failed has an entry for every key not
// known to be gone; err is for the call as a whole.
func (c *Client) DeleteMany(ctx context.Context, bucket string, keys []string) (failed map[string]error, err error) {
	if bucket == Account {
		return c.deleteInAccount(ctx, keys)
	}
	failed = map[string]error{}
	keys = slices.Compact(slices.Sorted(slices.Values(keys)))
	var many []string
	for _, key := range keys {
		if inXML(key) && key != "" {
			many = append(many, key)
		} else if err := c.Delete(ctx, Path{bucket, key}); err != nil {
			failed[key] = err
		}
	}
	batches := 0
	var first error
	for batch := range slices.Chunk(many, maxDelete) {
		batches++
		if err := c.deleteBatch(ctx, bucket, batch, failed); err != nil {
			first = errors.Join(first, err)
			for _, key := range batch {
				failed[key] = err
			}
		}
	}
	switch {
	case ctx.Err() != nil && len(failed) > 0:
		return failed, ended(ctx)
	case batches > 0 && len(failed) >= len(keys):
		return failed, first
	}
	return failed, nil
}

// deleteBatch deletes up to maxDelete keys, and enters into failed the ones
// that are not gone. Keys that the answer does not mention are looked up.
func (c *Client) deleteBatch(ctx context.Context, bucket string, keys []string, failed map[string]error) error {
	body := bytes.NewReader(deleteDocument(keys))
	k := &call{op: "DELETE MANY", path: Path{Bucket: bucket}, method: http.MethodPost,
		query: url.Values{"delete": {""}}, header: http.Header{"Content-Type": {"application/xml"}},
		body: body, size: body.Size(), signed: true, digest: true}
	for _, key := range keys {
		k.changes = append(k.changes, Path{bucket, key})
	}
	var doc struct {
		XMLName xml.Name `xml:"DeleteResult"`
		Deleted []struct{ Key string }
		Error   []struct{ Key, Code, Message string }
	}
	k.accept = func(a *answer) error {
		doc.Deleted, doc.Error = nil, nil
		return a.decode(k, &doc)
	}
	if err := c.do(ctx, k); err != nil {
		return err
	}
	told := make(map[string]bool, len(keys))
	for _, d := range doc.Deleted {
		told[d.Key] = true
	}
	for _, e := range doc.Error {
		told[e.Key] = true
		if code := Code(e.Code); code != NoSuchKey {
			p := Path{bucket, e.Key}
			refused := &Error{Op: "DELETE", Path: p, Code: code, Status: http.StatusOK, Message: e.Message}
			c.report(refused, p)
			failed[e.Key] = refused
		}
	}
	for _, key := range keys {
		if told[key] {
			continue
		}
		p := Path{bucket, key}
		if _, err := c.Head(ctx, p); err == nil {
			failed[key] = &Error{Op: "DELETE", Path: p, Status: http.StatusOK, Err: errUnmentioned}
		} else if !errors.Is(err, fs.ErrNotExist) {
			failed[key] = fmt.Errorf("not mentioned in the answer of a delete: %w", err)
		}
	}
	return nil
}

var errUnmentioned = errors.New("not mentioned in the answer, and still there")

func deleteDocument(keys []string) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>false</Quiet>`)
	for _, key := range keys {
		b.WriteString("<Object><Key>")
		_ = xml.EscapeText(&b, []byte(key)) // a bytes.Buffer does not fail
		b.WriteString("</Key></Object>")
	}
	b.WriteString("</Delete>")
	return b.Bytes()
}

// inXML reports whether XML 1.0 can express s (its production Char).
func inXML(s string) bool {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return false
			}
		}
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return false
		}
	}
	return true
}
