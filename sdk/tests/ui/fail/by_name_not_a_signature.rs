use abide::ActivityType;

const CHARGE: ActivityType<(u64, String)> = ActivityType::new("charge");

fn main() {}
