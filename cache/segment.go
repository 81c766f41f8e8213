package cache

import (
	"math"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// segment is an ordered set of ready blocks that counts their bytes. Blocks.mu
// guards it.
type segment struct {
	order *simplelru.LRU[*block, struct{}]
	bytes int64
}

func newSegment() *segment {
	s := &segment{}
	leave := func(k *block, _ struct{}) {
		s.bytes -= k.charge
		k.segment = nil
	}
	s.order, _ = simplelru.NewLRU(math.MaxInt, leave) // fails only for a size below 1
	return s
}

// add puts a block that is in no segment at the young end.
func (s *segment) add(k *block) {
	s.order.Add(k, struct{}{})
	s.bytes += k.charge
	k.segment = s
}

func (s *segment) remove(k *block) { s.order.Remove(k) }

// renew moves a block to the young end.
func (s *segment) renew(k *block) { s.order.Get(k) }

// oldest returns the oldest block without references. Blocks in use that it
// meets on its way move to the young end, so that no call meets them again
// soon.
func (s *segment) oldest() *block {
	for range s.order.Len() {
		k, _, _ := s.order.GetOldest()
		if k.refs == 0 {
			return k
		}
		s.renew(k)
	}
	return nil
}
