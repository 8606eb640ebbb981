const MIGRATIONS: auth::storage::Migrations =
    auth::storage::Migrations { table: "app_migrations", steps: &[] };

async fn moved() -> Result<(), Box<dyn std::error::Error>> {
    // As in the guide:
    use countersign_auth::{
        Auth,
        storage::{CopyPlan, Db, DbOptions},
    };

    let from = Db::open(&DbOptions::new("sqlite://app.db")).await?;
    let to = Db::open(&DbOptions::new(std::env::var("DATABASE_URL")?)).await?;
    let plan = CopyPlan { owners: &[Auth::MIGRATIONS, MIGRATIONS], leave_others: false };
    let copied =
        from.copy_to(&to, plan, |progress| println!("{}/{}", progress.done, progress.total)).await?;
    // Until here.
    drop(copied);
    Ok(())
}
