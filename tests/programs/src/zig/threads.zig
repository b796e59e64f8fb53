//! Very short threads, many times over: many have ended before the first one looks at their numbers.
const std = @import("std");

pub const panic = std.debug.no_panic;

var counter: u32 = 0;
var sum: u32 = 0;
var space: [8 << 20]u8 align(65536) = undefined;

fn add(n: u32) void {
    _ = @atomicRmw(u32, &counter, .Add, 1, .seq_cst);
    _ = @atomicRmw(u32, &sum, .Add, n, .seq_cst);
}

fn work() !void {
    var fixed = std.heap.FixedBufferAllocator.init(&space);
    for (0..500) |round| {
        var threads: [4]std.Thread = undefined;
        for (&threads, 0..) |*thread, i| thread.* = try std.Thread.spawn(.{ .stack_size = 16384, .allocator = fixed.allocator() }, add, .{@as(u32, @intCast(round * 4 + i))});
        var last = threads.len;
        while (last > 0) : (last -= 1) threads[last - 1].join();
    }
    if (counter != 2000 or sum != 1999 * 1000) return error.Wrong;
}

pub export fn _start() void {
    work() catch std.process.exit(1);
}
