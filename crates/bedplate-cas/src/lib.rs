//! The store: blobs, trees and the action cache, by content.
