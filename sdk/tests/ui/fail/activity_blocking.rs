use abide::prelude::*;

#[activity]
fn resize(image: String) -> Result<String, ActivityError> {
    Ok(image)
}

#[activity(blocking)]
async fn upload(image: String) -> Result<(), ActivityError> {
    Ok(())
}

#[activity(blocking = true)]
fn rotate(image: String) -> Result<String, ActivityError> {
    Ok(image)
}

struct Camera;

#[activities]
impl Camera {
    #[activity]
    fn shoot(&self) -> Result<String, ActivityError> {
        Ok(String::new())
    }

    #[activity(blocking)]
    async fn develop(&self) -> Result<String, ActivityError> {
        Ok(String::new())
    }
}

#[workflow(blocking)]
async fn album(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    // A broken activity is not reported again where it is called.
    ctx.activity(upload, "cat.jpg".into()).start_to_close_timeout(mins(1)).await?;
    Ok(())
}

fn main() {}
