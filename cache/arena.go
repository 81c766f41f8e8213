package cache

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// arena hands out the memory of whole blocks. It lives outside the Go heap:
// inside it, a full cache would let the collector's target grow to twice the
// cache before it collects anything.
//
// It is not safe for concurrent use; Blocks.mu guards it.
type arena struct {
	mem  []byte   // one reservation for every slot; pages become resident when touched; nil: slots come from the heap
	used int      // slots of mem handed out at least once
	warm [][]byte // free and resident, last freed at the end
	cold [][]byte // free, given back to the kernel
}

// newArena reserves address space for slots blocks. The reservation ends with
// owner. When the kernel refuses it, slots come from the Go heap.
func newArena(slots int64, owner *Blocks) *arena {
	mem, err := unix.Mmap(-1, 0, int(slots*blockSize), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return &arena{}
	}
	runtime.AddCleanup(owner, func(mem []byte) { _ = unix.Munmap(mem) }, mem)
	return &arena{mem: mem}
}

// get returns a slot of blockSize bytes with any content.
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
	low := a.used * blockSize
	if low+blockSize > len(a.mem) {
		return make([]byte, blockSize)
	}
	a.used++
	return a.mem[low : low+blockSize : low+blockSize]
}

// put takes back a slot that nothing reads or writes any more.
func (a *arena) put(slot []byte) { a.warm = append(a.warm, slot) }

// idle returns the resident bytes of free slots.
func (a *arena) idle() int64 { return int64(len(a.warm)) * blockSize }

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
