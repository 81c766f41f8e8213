package emulator

import (
	"errors"
	"maps"
)

// Fork returns a server, without faults, that begins with what s holds at this
// moment. What happens to either does not show in the other, so that a test can
// go on from one moment in many ways. Only for servers in memory.
func (s *Server) Fork() (*Server, error) {
	if s.o.Dir != "" {
		return nil, errors.New("emulator: a directory cannot be forked")
	}
	fork, err := New(s.o)
	if err != nil {
		return nil, err
	}
	s.store.mu.Lock() // not RLock: copying a tree marks it
	defer s.store.mu.Unlock()
	for name, b := range s.store.buckets {
		fork.store.buckets[name] = b.forkLocked()
	}
	return fork, nil
}

func (b *bucket) forkLocked() *bucket {
	fork := &bucket{info: b.info, objects: b.objects.Copy(), uploads: map[string]*upload{}}
	fork.objects.Scan(func(_ string, o *object) bool {
		o.content.retain()
		return true
	})
	for id, u := range b.uploads {
		copied := *u
		copied.parts = maps.Clone(u.parts)
		for _, p := range copied.parts {
			content{p.blob}.retain()
		}
		fork.uploads[id] = &copied
	}
	return fork
}
