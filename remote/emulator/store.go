package emulator

import (
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/tidwall/btree"
)

// store is every bucket: the index in memory, the bytes in blobs, and with a
// directory the index on disk too. Operations are atomic.
type store struct {
	blobs   blobs
	disk    *disk     // nil: in memory only
	buffers sync.Pool // of *[]byte of copyBuffer bytes
	lanes   lanes

	zeroSums zeroSums

	mu      sync.RWMutex // guards below, and everything in the buckets
	closed  bool
	buckets map[string]*bucket
}

// blobs makes room for bytes.
type blobs interface {
	create(size int64) (sink, error)
}

// bucket is the index of one bucket.
type bucket struct {
	info    *bucketInfo
	objects *btree.Map[string, *object]
	uploads map[string]*upload
}

func newBucket(info *bucketInfo) *bucket {
	return &bucket{info: info, objects: btree.NewMap[string, *object](0), uploads: map[string]*upload{}}
}

// releaseLocked lets go of everything in the bucket.
func (b *bucket) releaseLocked() {
	b.objects.Scan(func(_ string, o *object) bool {
		o.content.release()
		return true
	})
	for _, u := range b.uploads {
		u.release()
	}
}

func newStore(o Options) (*store, error) {
	st := &store{buckets: map[string]*bucket{}}
	st.buffers.New = func() any { b := make([]byte, copyBuffer); return &b }
	if o.Dir == "" {
		var err error
		st.blobs, err = newMemory(o.ReadyMemory)
		return st, err
	}
	d, err := openDisk(o.Dir)
	if err != nil {
		return nil, err
	}
	st.blobs, st.disk = d, d
	if err := d.load(st); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return st, nil
}

func (st *store) close() error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.closed {
		return nil
	}
	st.closed = true
	if st.disk != nil {
		return st.disk.close()
	}
	for _, b := range st.buckets {
		b.releaseLocked()
	}
	return nil
}

func (st *store) buffer() *[]byte { return st.buffers.Get().(*[]byte) }

// receive stores a payload as a blob with one reference, which is the
// caller's to release.
func (st *store) receive(p *payload) (*blob, error) {
	s, err := st.blobs.create(p.size)
	if err != nil {
		return nil, err
	}
	if err := p.copyTo(s); err != nil {
		s.abandon()
		return nil, err
	}
	id, data, err := s.finish()
	if err != nil {
		s.abandon()
		return nil, err
	}
	b := &blob{id: id, size: p.size, data: data}
	b.refs.Store(1)
	return b, nil
}

func (st *store) bucketLocked(name string) (*bucket, error) {
	if st.closed {
		return nil, refuse("ServiceUnavailable", "the server is closed")
	}
	b := st.buckets[name]
	if b == nil {
		return nil, refuse("NoSuchBucket", "there is no bucket %q", name)
	}
	return b, nil
}

func (st *store) bucket(name string) (*bucketInfo, error) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	b, err := st.bucketLocked(name)
	if err != nil {
		return nil, err
	}
	return b.info, nil
}

// bucketsOf returns the buckets of an account in ascending order.
func (st *store) bucketsOf(owner string) []*bucketInfo {
	st.mu.RLock()
	defer st.mu.RUnlock()
	var out []*bucketInfo
	for _, b := range st.buckets {
		if b.info.ACL.Owner.ID == owner {
			out = append(out, b.info)
		}
	}
	slices.SortFunc(out, func(a, b *bucketInfo) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// createBucket makes a bucket unless its owner has limit of them.
func (st *store) createBucket(info *bucketInfo, limit int) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.closed {
		return refuse("ServiceUnavailable", "the server is closed")
	}
	if st.buckets[info.Name] != nil {
		return refuse("BucketAlreadyExists", "the bucket %q exists", info.Name)
	}
	have := 0
	for _, b := range st.buckets {
		if b.info.ACL.Owner.ID == info.ACL.Owner.ID {
			have++
		}
	}
	if have >= limit {
		return refuse("TooManyBuckets", "the account has %d buckets", have)
	}
	if err := st.disk.saveBucket(info); err != nil {
		return err
	}
	st.buckets[info.Name] = newBucket(info)
	return nil
}

func (st *store) updateBucket(name string, change func(*bucketInfo)) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	b, err := st.bucketLocked(name)
	if err != nil {
		return err
	}
	info := *b.info
	change(&info)
	if err := st.disk.saveBucket(&info); err != nil {
		return err
	}
	b.info = &info
	return nil
}

// deleteBucket removes an empty bucket, with its unfinished uploads.
func (st *store) deleteBucket(name string) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	b, err := st.bucketLocked(name)
	if err != nil {
		return err
	}
	if b.objects.Len() > 0 {
		return refuse("BucketNotEmpty", "the bucket %q has objects", name)
	}
	if err := st.disk.dropBucket(name); err != nil {
		return err
	}
	for _, u := range b.uploads {
		u.release()
	}
	delete(st.buckets, name)
	return nil
}
