package tlsrecords

// RequestedSize is requestedSize.
var RequestedSize = requestedSize
