package cache

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// arena hands out slots of memory of one size. It lives outside the Go heap:
// inside it, a full cache would let the collector's target grow to twice the
// cache before it collects anything.
//
// It is not safe for concurrent use.
type arena struct {
	slot int      // bytes of one
	mem  []byte   // one reservation for every slot; pages become resident when touched; nil: slots come from the heap
	used int      // slots of mem handed out at least once
	warm [][]byte // free and resident, last freed at the end
	cold [][]byte // free, given back to the kernel
}

// newArena reserves address space for so many slots of size bytes. The reservation
// ends with owner. When the kernel refuses it, slots come from the Go heap.
func newArena[T any](slots, size int64, owner *T) *arena {
	mem, err := unix.Mmap(-1, 0, int(slots*size), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return &arena{slot: int(size)}
	}
	runtime.AddCleanup(owner, func(mem []byte) { _ = unix.Munmap(mem) }, mem)
	return &arena{slot: int(size), mem: mem}
}

// get returns a slot with any content.
func (a *arena) get() []byte {
	if n := len(a.warm); n > 0 {
		slot := a.warm[n-1]
		a.warm = a.warm[:n-1]
		return slot
	}
	if n := len(a.cold); n > 0 {
		slot := a.cold[n-1]
		a.cold = a.cold[:n-1]
		return slot
	}
	low := a.used * a.slot
	if low+a.slot > len(a.mem) {
		return make([]byte, a.slot)
	}
	a.used++
	return a.mem[low : low+a.slot : low+a.slot]
}

// put takes back a slot that nothing reads or writes any more.
func (a *arena) put(slot []byte) { a.warm = append(a.warm, slot) }

// idle returns the resident bytes of free slots.
func (a *arena) idle() int64 { return int64(len(a.warm)) * int64(a.slot) }

// trim returns the memory of free slots to the kernel until at most keep
// bytes of them are resident.
func (a *arena) trim(keep int64) {
	for len(a.warm) > 0 && a.idle() > max(keep, 0) {
		n := len(a.warm) - 1
		slot := a.warm[n]
		a.warm[n] = nil
		a.warm = a.warm[:n]
		if a.mem != nil && unix.Madvise(slot, unix.MADV_DONTNEED) == nil {
			a.cold = append(a.cold, slot)
		}
	}
}
