package bridge

// idSet is a set of packet identifiers or topic aliases. The zero value is empty.
type idSet struct {
	ids     map[uint16]struct{}
	counted bool // as large as it may become, in the session's memory
}

const (
	fewIDs  = 32      // that are not counted
	idsSize = 8 << 10 // of the map of all that may be in a set, with what it leaves free
)

func (i *idSet) has(id uint16) bool { _, ok := i.ids[id]; return ok }

func (i *idSet) drop(id uint16) { delete(i.ids, id) }

// remember adds to a set. It reports whether there was room.
func (s *session) remember(set *idSet, id uint16, most int) bool {
	if set.ids == nil {
		set.ids = make(map[uint16]struct{})
	}
	if !set.has(id) {
		switch n := len(set.ids); {
		case n == most:
			return false
		case n == fewIDs && !set.counted:
			if set.counted = s.memory.remember(idsSize); !set.counted {
				return false
			}
		}
	}
	set.ids[id] = struct{}{}
	return true
}
