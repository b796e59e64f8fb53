//! A Zig program: generics, comptime, an allocator, big integers, and a checked error path.
const std = @import("std");

fn Stack(comptime T: type, comptime capacity: usize) type {
    return struct {
        items: [capacity]T = undefined,
        len: usize = 0,

        const Self = @This();

        fn push(self: *Self, value: T) error{Full}!void {
            if (self.len == capacity) return error.Full;
            self.items[self.len] = value;
            self.len += 1;
        }

        fn pop(self: *Self) ?T {
            if (self.len == 0) return null;
            self.len -= 1;
            return self.items[self.len];
        }
    };
}

const squares = blk: {
    var table: [64]u32 = undefined;
    for (&table, 0..) |*slot, i| slot.* = i * i;
    break :blk table;
};

/// Evaluates a postfix expression of single digits.
fn evaluate(text: []const u8) !i64 {
    var stack: Stack(i64, 8) = .{};
    for (text) |c| {
        switch (c) {
            '0'...'9' => try stack.push(c - '0'),
            '+', '-', '*', '/' => {
                const b = stack.pop() orelse return error.Empty;
                const a = stack.pop() orelse return error.Empty;
                try stack.push(switch (c) {
                    '+' => a + b,
                    '-' => a - b,
                    '*' => a * b,
                    else => if (b == 0) return error.DivisionByZero else @divTrunc(a, b),
                });
            },
            ' ' => {},
            else => return error.Unexpected,
        }
    }
    return stack.pop() orelse error.Empty;
}

fn print(comptime format: []const u8, arguments: anytype) void {
    var buffer: [512]u8 = undefined;
    const text = std.fmt.bufPrint(&buffer, format, arguments) catch "too long\n";
    var at: usize = 0;
    while (at < text.len) {
        const vector = [1]std.os.wasi.ciovec_t{.{ .base = text[at..].ptr, .len = text.len - at }};
        var written: usize = 0;
        if (std.os.wasi.fd_write(1, &vector, 1, &written) != .SUCCESS) return;
        at += written;
    }
}

pub fn main() !void {
    print("{d} {d} {d}\n", .{ squares[7], squares[63], std.math.maxInt(u64) });
    for ([_][]const u8{ "34+2*", "91-4/", "5 0/", "+", "999999999", "12x" }) |text| {
        if (evaluate(text)) |value| print("{s} = {d}\n", .{ text, value }) else |e| print("{s}: {s}\n", .{ text, @errorName(e) });
    }
    var a: u128 = 1;
    var i: u32 = 2;
    while (i <= 33) : (i += 1) a *= i;
    print("33! = {d}, {d} bits\n", .{ a, 128 - @clz(a) });
    const allocator = std.heap.wasm_allocator;
    var total: usize = 0;
    for (0..200) |n| {
        const block = try allocator.alloc(u64, n * 37 + 1);
        defer allocator.free(block);
        for (block, 0..) |*slot, k| slot.* = @as(u64, k) *% 0x9e3779b97f4a7c15;
        std.mem.sort(u64, block, {}, std.sort.asc(u64));
        total +%= @as(usize, @truncate(block[block.len / 2] >> 40));
    }
    print("medians {d}\n", .{total});
    var hash = std.crypto.hash.Blake3.init(.{});
    for (0..1000) |n| hash.update(std.mem.asBytes(&@as(u32, @intCast(n))));
    var digest: [16]u8 = undefined;
    hash.final(&digest);
    print("{x}\n", .{&digest});
    const v: @Vector(8, f32) = .{ 1, 2, 3, 4, 5, 6, 7, 8 };
    print("{d}\n", .{@reduce(.Add, v * v)});
}
