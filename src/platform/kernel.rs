//! What the kernel knows of its clock.

/// Whether the kernel says that nothing keeps its clock in step: the state TIME_ERROR, or the flag STA_UNSYNC, which a
/// service that sets the clock takes away (adjtimex(2)). Nothing is changed. Absent where there is no such call, or it is
/// not allowed.
#[cfg(target_os = "linux")]
pub fn is_clock_unkept() -> Option<bool> {
    /// The state of a clock that is not synchronized.
    const TIME_ERROR: i32 = 5;
    /// The flag of a clock that is not synchronized.
    const STA_UNSYNC: i32 = 0x40;
    // No mode is set: the call only reads.
    let mut asked = rtime_clock::adjtime::Timex::new();
    let state = rtime_clock::adjtime::adjtimex(&mut asked).ok()?;
    Some(state == TIME_ERROR || asked.0.status & STA_UNSYNC != 0)
}

/// Absent: the call is Linux's.
#[cfg(not(target_os = "linux"))]
pub fn is_clock_unkept() -> Option<bool> {
    None
}
