package emulator

import "time"

// maxKey is the longest key in bytes (NAVER: KeyTooLong).
const maxKey = 1023

// object is one version of one object. Immutable: a change replaces it.
type object struct {
	key         string
	content     content
	etag        string // without quotes
	modified    time.Time
	contentType string
	meta        map[string]string // names in lower case, without x-amz-meta-
	acl         acl
}

// object returns the current version with a reference to its content, which
// the caller must release.
func (st *store) object(bucket, key string) (*object, error) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	b, err := st.bucketLocked(bucket)
	if err != nil {
		return nil, err
	}
	o, ok := b.objects.Get(key)
	if !ok {
		return nil, refuse("NoSuchKey", "there is no object %q", key)
	}
	o.content.retain()
	return o, nil
}

// putObject makes o the current version of its key. The reference that the
// caller holds to its content passes to the store, also on failure.
func (st *store) putObject(bucket string, o *object) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	b, err := st.bucketLocked(bucket)
	if err == nil {
		err = st.replaceLocked(b, o)
	}
	if err != nil {
		o.content.release()
	}
	return err
}

func (st *store) replaceLocked(b *bucket, o *object) error {
	if err := st.disk.saveObject(b.info.Name, o); err != nil {
		return err
	}
	if old, replaced := b.objects.Set(o.key, o); replaced {
		old.content.release()
	}
	return nil
}

// setObjectACL changes neither date nor ETag.
func (st *store) setObjectACL(bucket, key string, a acl) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	b, err := st.bucketLocked(bucket)
	if err != nil {
		return err
	}
	old, ok := b.objects.Get(key)
	if !ok {
		return refuse("NoSuchKey", "there is no object %q", key)
	}
	o := *old
	o.acl = a
	o.content.retain()
	return st.replaceLocked(b, &o)
}

// deleteObject removes the object; one that is not there is no error.
func (st *store) deleteObject(bucket, key string) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	b, err := st.bucketLocked(bucket)
	if err != nil {
		return err
	}
	o, ok := b.objects.Get(key)
	if !ok {
		return nil
	}
	if err := st.disk.dropObject(bucket, key); err != nil {
		return err
	}
	b.objects.Delete(key)
	o.content.release()
	return nil
}
