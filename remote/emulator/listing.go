package emulator

import "strings"

// listing is a question for a page of a bucket's keys.
type listing struct {
	prefix, delimiter string
	marker            string // only keys and common prefixes after it
	limit             int
}

// page is the answer: entries in ascending order of bytes.
type page struct {
	entries   []entry
	truncated bool
}

// entry is an object or, if object is nil, a common prefix.
type entry struct {
	name   string
	object *object
}

// group returns the common prefix that the key is counted under.
func (l listing) group(key string) (prefix string, ok bool) {
	if l.delimiter == "" {
		return "", false
	}
	i := strings.Index(key[len(l.prefix):], l.delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(l.prefix)+i+len(l.delimiter)], true
}

// after is the least string above every one that begins with prefix; none if
// ok is false.
func after(prefix string) (string, bool) {
	b := []byte(prefix)
	for len(b) > 0 {
		if last := len(b) - 1; b[last] < 0xFF {
			b[last]++
			return string(b), true
		} else {
			b = b[:last]
		}
	}
	return "", false
}

func (st *store) list(bucket string, l listing) (page, error) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	b, err := st.bucketLocked(bucket)
	if err != nil {
		return page{}, err
	}
	var p page
	if l.limit == 0 {
		return p, nil
	}
	it := b.objects.Iter()
	ok := it.Seek(max(l.prefix, l.marker))
	for ok && strings.HasPrefix(it.Key(), l.prefix) {
		key := it.Key()
		group, grouped := l.group(key)
		e := entry{name: key, object: it.Value()}
		if grouped {
			e = entry{name: group}
		}
		// A common prefix is passed when the marker is it or within it.
		if e.name > l.marker || l.marker == "" {
			if len(p.entries) == l.limit {
				p.truncated = true
				return p, nil
			}
			p.entries = append(p.entries, e)
		}
		if !grouped {
			ok = it.Next()
		} else if next, more := after(group); more {
			ok = it.Seek(next)
		} else {
			ok = false
		}
	}
	return p, nil
}
