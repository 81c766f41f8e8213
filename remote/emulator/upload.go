package emulator

import (
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	maxParts      = 10_000
	minPartSize   = 5 << 20
	maxSinglePut  = 5 << 30
	maxObjectSize = 10 << 40
)

// upload is an unfinished multipart upload. The fields above parts are
// immutable.
type upload struct {
	id          string // ids of one key sort by time
	key         string
	initiator   grantee
	initiated   time.Time
	contentType string
	meta        map[string]string
	acl         acl

	parts map[int]*part
}

// part is one uploaded part. Immutable.
type part struct {
	number int
	blob   *blob
	tag    []byte // its ETag, not in hex
}

func (p *part) etag() string { return hex.EncodeToString(p.tag) }

func (u *upload) release() {
	for _, p := range u.parts {
		content{p.blob}.release()
	}
}

// asked is a part as a Complete request names it.
type asked struct {
	Number int    `xml:"PartNumber"`
	ETag   string `xml:"ETag"`
}

// assemble checks the asked parts, at least one, against the uploaded ones and makes the
// object's content, without references, and ETag of them.
func (u *upload) assemble(want []asked) (content, string, error) {
	var c content
	sums := md5.New()
	for i, a := range want {
		if i > 0 && a.Number <= want[i-1].Number {
			return nil, "", refuse("InvalidPartOrder", "part %d comes after part %d", a.Number, want[i-1].Number)
		}
	}
	for _, a := range want {
		p := u.parts[a.Number]
		if p == nil || strings.Trim(strings.TrimSpace(a.ETag), `"`) != p.etag() {
			return nil, "", refuse("InvalidPart", "part %d was not uploaded with this ETag", a.Number)
		}
		c = append(c, p.blob)
		sums.Write(p.tag)
	}
	for i, b := range c[:len(c)-1] {
		if b.size < minPartSize {
			return nil, "", refuse("EntityTooSmall", "part %d has under %d bytes", want[i].Number, minPartSize)
		}
	}
	if c.size() > maxObjectSize {
		return nil, "", refuse("EntityTooLarge", "the object would have over %d bytes", int64(maxObjectSize))
	}
	return c, fmt.Sprintf("%x-%d", sums.Sum(nil), len(want)), nil
}

func (st *store) createUpload(bucket string, u *upload) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	b, err := st.bucketLocked(bucket)
	if err != nil {
		return err
	}
	if err := st.disk.saveUpload(bucket, u); err != nil {
		return err
	}
	u.parts = map[int]*part{}
	b.uploads[u.id] = u
	return nil
}

func (b *bucket) upload(key, id string) (*upload, error) {
	u := b.uploads[id]
	if u == nil || u.key != key {
		return nil, refuse("NoSuchUpload", "there is no upload %q of %q", id, key)
	}
	return u, nil
}

// upload returns an upload; its parts must not be looked at.
func (st *store) upload(bucket, key, id string) (*upload, error) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	b, err := st.bucketLocked(bucket)
	if err != nil {
		return nil, err
	}
	return b.upload(key, id)
}

// putPart adds a part, or replaces the one of its number. The reference to
// its blob passes to the store, also on failure.
func (st *store) putPart(bucket, key, id string, p *part) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	b, err := st.bucketLocked(bucket)
	if err != nil {
		content{p.blob}.release()
		return err
	}
	u, err := b.upload(key, id)
	if err == nil {
		err = st.disk.savePart(bucket, id, p)
	}
	if err != nil {
		content{p.blob}.release()
		return err
	}
	if old := u.parts[p.number]; old != nil {
		content{old.blob}.release()
	}
	u.parts[p.number] = p
	return nil
}

// completeUpload makes the object of the parts and ends the upload.
func (st *store) completeUpload(bucket, key, id string, want []asked, modified time.Time) (*object, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	b, err := st.bucketLocked(bucket)
	if err != nil {
		return nil, err
	}
	u, err := b.upload(key, id)
	if err != nil {
		return nil, err
	}
	c, etag, err := u.assemble(want)
	if err != nil {
		return nil, err
	}
	o := &object{key: key, content: c, etag: etag, modified: modified,
		contentType: u.contentType, meta: u.meta, acl: u.acl}
	c.retain()
	if err := st.replaceLocked(b, o); err != nil {
		c.release()
		return nil, err
	}
	return o, st.endUploadLocked(b, u)
}

func (st *store) abortUpload(bucket, key, id string) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	b, err := st.bucketLocked(bucket)
	if err != nil {
		return err
	}
	u, err := b.upload(key, id)
	if err != nil {
		return err
	}
	return st.endUploadLocked(b, u)
}

func (st *store) endUploadLocked(b *bucket, u *upload) error {
	if err := st.disk.dropUpload(b.info.Name, u.id); err != nil {
		return err
	}
	delete(b.uploads, u.id)
	u.release()
	return nil
}

// uploads returns the bucket's uploads by key and then id.
func (st *store) uploads(bucket string) ([]*upload, error) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	b, err := st.bucketLocked(bucket)
	if err != nil {
		return nil, err
	}
	out := make([]*upload, 0, len(b.uploads))
	for _, u := range b.uploads {
		out = append(out, u)
	}
	slices.SortFunc(out, func(a, b *upload) int {
		return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.id, b.id))
	})
	return out, nil
}
